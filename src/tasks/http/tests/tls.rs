//! Servers that show who they are, and want to know who calls.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use super::shard;
use crate::tasks::http::{Connection, Settings, Tls};

/// An authority that vouches for others.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new(name: &str) -> Authority {
        let mut params = CertificateParams::new(Vec::new()).expect("no names are good names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().expect("a key");
        Authority(CertifiedIssuer::self_signed(params, key).expect("a certificate"))
    }

    /// A certificate for this name, and its key.
    fn vouches(&self, name: &str) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
        (params.signed_by(&key, &self.0).expect("a certificate"), key)
    }

    /// What is in a connection to trust the one and to be vouched for by the other.
    fn tls(trusted: Option<&Authority>, own: Option<&Authority>) -> Tls {
        let own = own.map(|authority| authority.vouches("engine"));
        Tls {
            authorities: trusted.map(|authority| authority.0.pem()),
            certificate: own.as_ref().map(|(certificate, _)| certificate.pem()),
            key: own.as_ref().map(|(_, key)| key.serialize_pem()),
        }
    }
}

struct Server {
    url: String,
    _runtime: tokio::runtime::Runtime,
}

impl Server {
    /// One that shows a certificate of this authority, and takes those only whom it vouches for.
    fn start(authority: &Authority) -> Server {
        let mut trusted = RootCertStore::empty();
        trusted.add(authority.0.der().clone()).expect("an authority");
        let verifier =
            WebPkiClientVerifier::builder(Arc::new(trusted)).build().expect("a verifier");
        let (certificate, key) = authority.vouches("127.0.0.1");
        let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
        let config = ServerConfig::builder()
            .with_client_cert_verifier(verifier)
            .with_single_cert(vec![certificate.der().clone()], key)
            .expect("certificate and key are a pair");
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
        let url = format!("https://{}", listener.local_addr().expect("it is bound"));
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(acceptor.clone(), stream));
            }
        });
        Server { url, _runtime: runtime }
    }
}

async fn serve(acceptor: TlsAcceptor, stream: TcpStream) {
    let mut stream = match acceptor.accept(stream).into_fallible().await {
        Ok(stream) => stream,
        Err((_, mut stream)) => {
            // Whoever is refused reads why before the connection breaks.
            let _ = stream.read_to_end(&mut Vec::new()).await;
            return;
        }
    };
    let shown = stream.get_ref().1.peer_certificates().map_or(0, <[_]>::len);
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => request.push(byte),
            Err(_) => return,
        }
    }
    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n{shown}");
    let _ = stream.write_all(answer.as_bytes()).await;
    let _ = stream.shutdown().await;
}

#[test]
fn both_sides_show_who_they_are() {
    let (ours, stranger) = (Authority::new("ours"), Authority::new("stranger"));
    let server = Server::start(&ours);
    let connections = [
        ("mutual", Authority::tls(Some(&ours), Some(&ours))),
        ("no-certificate", Authority::tls(Some(&ours), None)),
        ("strangers", Authority::tls(Some(&ours), Some(&stranger))),
        ("wrong-authority", Authority::tls(Some(&stranger), Some(&ours))),
        ("no-authority", Authority::tls(None, Some(&ours))),
    ];
    let connections = connections
        .map(|(name, tls)| (name.to_owned(), Connection { tls, ..Connection::default() }));
    let mut shard = shard(Settings { connections: connections.into(), ..Settings::default() });
    let call = |connection: &str| {
        json!({ "ApiEndpoint": format!("{}/orders", server.url), "Method": "GET",
                "InvocationConfig": { "ConnectionArn": connection } })
    };
    let answer = shard.answer(&call("mutual")).expect("they trust each other");
    assert_eq!(answer["ResponseBody"], "1", "one certificate was shown");
    for (connection, part) in [
        ("no-certificate", "the server asks for certificate and key of the connection"),
        ("strangers", "the server does not trust who vouches for certificate of the connection"),
        ("wrong-authority", "name who vouches for the server in authorities of the connection"),
        ("no-authority", "name who vouches for the server in authorities of the connection"),
    ] {
        let error = shard.answer(&call(connection)).expect_err(connection);
        let cause = error.cause().unwrap_or_default();
        assert_eq!(error.name(), Some("States.Http.Socket"), "{connection}: {error}");
        let start = format!("GET {}/orders got no answer: ", server.url);
        assert!(cause.starts_with(&start) && cause.contains(part), "{connection}: {cause}");
        assert!(!cause.contains("-----") && !cause.contains('\n'), "{connection}: {cause}");
    }
    let bare = json!({ "ApiEndpoint": format!("{}/orders", server.url), "Method": "GET" });
    shard.fails(&bare, "States.Http.Socket", "authorities");
}
