//! Brokers that ask who is there: SASL over TLS, certificates of both sides; and what is said to those
//! that are refused.

use std::time::{Duration, Instant};

use crate::broker::Broker;
use crate::engine::{PASS, Setup, pipeline};
use crate::topics::{Gauge, new, write};

/// The script's user for SASL, and its stores' password.
const USER: &str = "engine";
const PASSWORD: &str = "engine-secret";
const STORE_PASSWORD: &str = "loopback";
/// A refusal is told long before it would be a timeout.
const REFUSAL_BOUND: Duration = Duration::from_secs(8);

type Properties = Vec<(&'static str, String)>;

fn sasl(broker: &Broker, mechanism: &str, password: &str, ca: &str) -> Properties {
    vec![
        ("security.protocol", "SASL_SSL".to_owned()),
        ("ssl.ca.location", broker.certificate(ca).display().to_string()),
        ("sasl.mechanism", mechanism.to_owned()),
        ("sasl.username", USER.to_owned()),
        ("sasl.password", password.to_owned()),
    ]
}

/// A token that nobody has signed, which this broker takes as Kafka does where nothing else is set up.
fn unsigned(broker: &Broker) -> Properties {
    let mut properties = sasl(broker, "OAUTHBEARER", PASSWORD, "ca.pem");
    properties.retain(|(name, _)| !["sasl.username", "sasl.password"].contains(name));
    properties.push(("enable.sasl.oauthbearer.unsecure.jwt", "true".to_owned()));
    properties.push(("sasl.oauthbearer.config", format!("principal={USER}")));
    properties
}

/// A token from an endpoint, by OIDC.
#[cfg(feature = "oidc")]
fn oidc(broker: &Broker, endpoint: &str) -> Properties {
    let mut properties = unsigned(broker);
    properties.retain(|(name, _)| !name.contains("oauthbearer"));
    properties.push(("sasl.oauthbearer.method", "oidc".to_owned()));
    properties.push(("sasl.oauthbearer.client.id", USER.to_owned()));
    properties.push(("sasl.oauthbearer.client.secret", PASSWORD.to_owned()));
    properties.push(("sasl.oauthbearer.token.endpoint.url", endpoint.to_owned()));
    properties
}

/// An endpoint that gives such tokens to who has the secret, as long as this process lives.
#[cfg(feature = "oidc")]
fn token_endpoint() -> String {
    use std::io::{Read, Write};
    use std::time::{SystemTime, UNIX_EPOCH};

    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("it is bound");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let (mut asked, mut part) = (String::new(), [0; 4096]);
            while !asked.contains("\r\n\r\n") {
                let read = stream.read(&mut part).expect("a request");
                asked.push_str(&String::from_utf8_lossy(&part[..read]));
            }
            let own = format!("Basic {}", STANDARD.encode(format!("{USER}:{PASSWORD}")));
            let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
            let claims = format!(r#"{{"sub":"{USER}","iat":{now},"exp":{}}}"#, now + 600);
            let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
            let token = format!("{}.{}.", part(r#"{"alg":"none"}"#), part(&claims));
            let (status, body) = match asked.contains(&own) {
                true => ("200 OK", format!(r#"{{"access_token":"{token}","expires_in":600}}"#)),
                false => ("401 Unauthorized", r#"{"error":"invalid_client"}"#.to_owned()),
            };
            let answer = format!(
                "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
                 Connection: close\r\n\r\n{body}",
                body.len()
            );
            stream.write_all(answer.as_bytes()).expect("it is heard");
        }
    });
    format!("http://{address}/token")
}

fn mutual(broker: &Broker, own: Option<&str>) -> Properties {
    let mut properties = vec![
        ("security.protocol", "SSL".to_owned()),
        ("ssl.ca.location", broker.certificate("ca.pem").display().to_string()),
    ];
    if let Some(own) = own {
        properties.push(("ssl.keystore.location", broker.certificate(own).display().to_string()));
        properties.push(("ssl.keystore.password", STORE_PASSWORD.to_owned()));
    }
    properties
}

fn setup(broker: &Broker, name: &str, address: &str, properties: &Properties) -> Setup {
    let lines: Vec<String> =
        properties.iter().map(|(name, value)| format!("{name:?} = {value:?}")).collect();
    let kafka = format!("properties = {{ {} }}", lines.join(", "));
    Setup::over(broker, name, PASS, (address, &kafka), "")
}

/// Each way in takes records through.
pub fn served(broker: &Broker) {
    let _present = broker.present();
    assert!(broker.ask(&["user", USER, PASSWORD]).status().expect("it runs").success());
    let [sasl_address, tls_address] = broker.secure_addresses();
    let ways = vec![
        ("scram-512", &sasl_address, sasl(broker, "SCRAM-SHA-512", PASSWORD, "ca.pem")),
        ("scram-256", &sasl_address, sasl(broker, "SCRAM-SHA-256", PASSWORD, "ca.pem")),
        ("plain", &sasl_address, sasl(broker, "PLAIN", PASSWORD, "ca.pem")),
        ("mutual-tls", &tls_address, mutual(broker, Some("client.p12"))),
        ("unsigned-token", &sasl_address, unsigned(broker)),
        #[cfg(feature = "oidc")]
        ("oidc", &sasl_address, oidc(broker, &token_endpoint())),
    ];
    for (name, address, properties) in ways {
        let (source, target) = (format!("{name}.in"), format!("{name}.out"));
        broker.topic(&source, 3, &[]);
        broker.topic(&target, 3, &[]);
        write(broker, &source, (0..1000).map(|id| new(&id.to_string(), id.to_string())));
        let setup = setup(broker, name, address, &properties);
        let pipeline = pipeline(name, &source, &target, r#"on_failure = "stop""#);
        let run = setup.run("only", &pipeline);
        Gauge::new(broker, &source, name).await_commit();
        let log = run.stop();
        assert_eq!(Gauge::new(broker, &target, "x").count(), 1000, "{name}");
        assert!(!log.contains(PASSWORD) && !log.contains(STORE_PASSWORD), "{log}");
        assert!(!log.contains("ERROR"), "{name}: {log}");
        let one = setup.exec(&pipeline, &["--from", &format!("{source}:0:0")]);
        assert_eq!(one.0, 0, "{}", one.2);
    }
}

/// A wrong password, CA, mechanism or certificate: one error that says what to do, and exit code 1.
pub fn refused(broker: &Broker) {
    let _present = broker.present();
    broker.topic("refused.in", 1, &[]);
    let [sasl_address, tls_address] = broker.secure_addresses();
    let missing = sasl(broker, "PLAIN", PASSWORD, "nowhere.pem");
    let ways = [
        (
            "wrong-password",
            &sasl_address,
            sasl(broker, "PLAIN", "wrong", "ca.pem"),
            "sasl.password",
        ),
        (
            "wrong-scram",
            &sasl_address,
            sasl(broker, "SCRAM-SHA-512", "bad", "ca.pem"),
            "sasl.password",
        ),
        (
            "wrong-ca",
            &sasl_address,
            sasl(broker, "PLAIN", PASSWORD, "stranger.pem"),
            "ssl.ca.location",
        ),
        ("no-ca", &sasl_address, missing, "ssl.ca.location"),
        ("no-certificate", &tls_address, mutual(broker, None), "ssl.certificate.location"),
        ("strangers", &tls_address, mutual(broker, Some("stranger.p12")), "ssl.keystore.location"),
        (
            "wrong-mechanism",
            &sasl_address,
            sasl(broker, "GSSAPI", PASSWORD, "ca.pem"),
            "sasl.mechanism",
        ),
    ];
    for (name, address, properties, part) in ways {
        let setup = setup(broker, name, address, &properties);
        // With an output topic, whose existence is asked for, and without.
        let to_topic = pipeline(name, "refused.in", "refused.in", r#"on_failure = "stop""#);
        let discards = to_topic.replace("{ topic = \"refused.in\" }\n", "{ discard = true }\n");
        assert_ne!(to_topic, discards);
        for (which, pipeline) in [("topic", &to_topic), ("discards", &discards)] {
            let started = Instant::now();
            let (code, log) = setup.refused(which, pipeline);
            assert!(code == 1 || code == 2, "{name}, {which}: {code}\n{log}");
            assert!(started.elapsed() < REFUSAL_BOUND, "{name}: {:?}", started.elapsed());
            let errors: Vec<&str> =
                log.lines().filter(|it| it.contains("ERROR") || it.contains("error:")).collect();
            assert!(errors.len() == 1 && errors[0].contains(part), "{name}, {which}:\n{log}");
            assert!(log.lines().count() <= 5, "a flood, {name}, {which}:\n{log}");
        }
        let (code, _, said) = setup.exec(&to_topic, &["--from", "refused.in:0:0"]);
        assert!(code == 2 && said.contains(part), "{name}: {code} {said}");
        assert_eq!(said.lines().count(), 1, "{name}: {said}");
    }
}
