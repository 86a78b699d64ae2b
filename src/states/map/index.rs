//! Items that stand in several objects: those of a listing, or those that a manifest names
//! (Developer Guide, "ItemReader"). The index is read first, then object after object.

use std::borrow::Cow;
use std::io::Read;

use super::csv;
use super::reader::{Sources, failed, too_deep};
use crate::asl::fields::Fields;
use crate::asl::{codes, names};
use crate::fault::StateError;
use crate::value::{Kind, Scratch, Value};

/// What a Map may read, where its items stand in several objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadLimits {
    /// Objects.
    pub objects_max: usize,
    /// Bytes of one object, unpacked, and of what names them; what the index of a document can hold.
    pub object_bytes_max: usize,
    /// Bytes of all objects, unpacked.
    pub bytes_max: usize,
}

impl Default for ReadLimits {
    fn default() -> ReadLimits {
        ReadLimits { objects_max: 100_000, object_bytes_max: 64 << 20, bytes_max: 512 << 20 }
    }
}

/// What is known while objects are read, as a value that lives through calls: this many things, and
/// the items of each object read so far.
pub(super) const KNOWN: usize = 3;
/// What a text that is packed with gzip begins with.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// What names the objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Index {
    /// `s3:listObjectsV2` with `"Transformation": "LOAD_AND_FLATTEN"`
    Listing,
    /// `"ManifestType": "S3_INVENTORY"`: a manifest.json; its files are CSV.
    Inventory,
    /// `"ManifestType": "ATHENA_DATA"`: a line for each object, `s3://bucket/key`.
    Athena,
}

/// The objects of an index.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Objects {
    /// Buckets and keys.
    pub(super) places: Vec<(String, String)>,
    /// The names of the columns, where the index says them.
    pub(super) columns: Option<String>,
}

impl Index {
    pub(super) fn parse(config: &mut Fields<'_>, is_listing: bool) -> Option<Index> {
        let kind = config.one_of(names::MANIFEST_TYPE, &["ATHENA_DATA", "S3_INVENTORY"]);
        let transformation = config.one_of(names::TRANSFORMATION, &["NONE", "LOAD_AND_FLATTEN"]);
        let loads = transformation == Some("LOAD_AND_FLATTEN");
        if loads && !is_listing {
            let why = "loads what is listed; it goes with s3:listObjectsV2.";
            config.invalid(names::TRANSFORMATION, codes::FIELD_NOT_ALLOWED, why);
        }
        let input = config.node(names::INPUT_TYPE).and_then(|node| node.as_str());
        match kind {
            _ if is_listing => loads.then_some(Index::Listing),
            Some("ATHENA_DATA") => Some(Index::Athena),
            Some(_) => Some(Index::Inventory),
            None => (input == Some("MANIFEST")).then_some(Index::Inventory),
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Index::Listing => "listed objects",
            Index::Inventory => "objects of an inventory",
            Index::Athena => "objects of a query",
        }
    }

    /// The objects that it names. What is listed is in `bucket`.
    pub(super) fn objects(
        self,
        scratch: &mut Scratch,
        text: &[u8],
        bucket: &str,
        objects_max: usize,
    ) -> Result<Objects, String> {
        let objects = match self {
            Index::Athena => of_lines(text)?,
            Index::Listing => {
                let listing = super::reader::parse(scratch, text)?;
                of_listing(scratch, listing, bucket)?
            }
            Index::Inventory => {
                let manifest = super::reader::parse(scratch, text)?;
                of_inventory(scratch, manifest)?
            }
        };
        if objects.places.len() > objects_max {
            return Err(format!(
                "There are more than {objects_max} objects to read (engine.objects_max)."
            ));
        }
        Ok(objects)
    }
}

/// `{"Contents": [{"Key": "a"}]}`; keys that end with a slash are folders.
fn of_listing(scratch: &Scratch, listing: Value, bucket: &str) -> Result<Objects, String> {
    let contents = scratch.member(listing, "Contents").unwrap_or(listing);
    let keys = keys(scratch, contents, "Key");
    let keys = keys.ok_or("The listing has no Contents.")?.into_iter();
    let keys = keys.filter(|key| !key.ends_with('/'));
    let places = keys.map(|key| (bucket.to_owned(), key)).collect();
    Ok(Objects { places, columns: None })
}

/// `{"destinationBucket": "arn:aws:s3:::b", "fileFormat": "CSV", "fileSchema": "Bucket, Key",
/// "files": [{"key": "a.csv.gz"}]}`
fn of_inventory(scratch: &Scratch, manifest: Value) -> Result<Objects, String> {
    let text = |name: &str| {
        let found = scratch.member(manifest, name).filter(|it| it.kind() == Kind::String);
        found.map(|found| scratch.str(found).into_owned())
    };
    let missing = |name: &str| format!("The manifest has no {name}.");
    match text("fileFormat").as_deref() {
        Some("CSV") => {}
        Some(other) => return Err(format!("Inventories in {other} can't be read; CSV can.")),
        None => return Err(missing("fileFormat")),
    }
    let bucket = text("destinationBucket").ok_or_else(|| missing("destinationBucket"))?;
    let bucket = bucket.rsplit(":::").next().unwrap_or_default();
    let files = scratch.member(manifest, "files").and_then(|files| keys(scratch, files, "key"));
    let files = files.ok_or_else(|| missing("files"))?.into_iter();
    let columns = text("fileSchema").ok_or_else(|| missing("fileSchema"))?;
    let places = files.map(|key| (bucket.to_owned(), key)).collect();
    Ok(Objects { places, columns: Some(columns) })
}

/// The texts of one member of each of a list's objects.
fn keys(scratch: &Scratch, list: Value, name: &str) -> Option<Vec<String>> {
    if list.kind() != Kind::Array {
        return None;
    }
    let mut items = scratch.items(list);
    let items = std::iter::from_fn(|| scratch.next_item(&mut items));
    let key = |item| {
        let key = scratch.member(item, name).filter(|key| key.kind() == Kind::String)?;
        Some(scratch.str(key).into_owned())
    };
    items.map(key).collect()
}

fn of_lines(text: &[u8]) -> Result<Objects, String> {
    let text = std::str::from_utf8(text).map_err(|e| format!("The manifest is not UTF-8: {e}"))?;
    let lines = text.lines().map(|line| line.trim().trim_matches('"'));
    let place = |line: &str| {
        let place = line.strip_prefix("s3://").and_then(|rest| rest.split_once('/'));
        let (bucket, key) = place.ok_or_else(|| format!("{line:?} is no s3://BUCKET/KEY."))?;
        Ok((bucket.to_owned(), key.to_owned()))
    };
    let places: Result<_, String> = lines.filter(|line| !line.is_empty()).map(place).collect();
    Ok(Objects { places: places?, columns: None })
}

/// How the files of an inventory are read: `"Bucket, Key, Size"`.
pub(super) fn inventory_form(columns: &str) -> csv::Form {
    csv::Form::of_columns(columns.split(',').map(|column| column.trim().into()).collect())
}

/// A text that may be packed.
pub(super) fn unpacked(text: &[u8], bytes_max: usize) -> Result<Cow<'_, [u8]>, String> {
    if !text.starts_with(&GZIP) {
        return Ok(text.into());
    }
    let mut out = Vec::new();
    let mut reader = flate2::read::MultiGzDecoder::new(text).take(bytes_max as u64 + 1);
    reader.read_to_end(&mut out).map_err(|e| format!("An object can't be unpacked: {e}"))?;
    if out.len() > bytes_max {
        return Err(format!(
            "An object has more than {bytes_max} bytes, unpacked (engine.object_unpacked_max)."
        ));
    }
    Ok(out.into())
}

/// Nothing read yet of these objects.
pub(super) fn begun(scratch: &mut Scratch, objects: Objects) -> Result<Value, StateError> {
    let Objects { places, columns } = objects;
    let whole = scratch.mark();
    let list = scratch.mark();
    for (bucket, key) in &places {
        let place = scratch.mark();
        for (name, text) in [("Bucket", bucket), ("Key", key)] {
            let text = scratch.string(text);
            scratch.push_member(name, text);
        }
        let place = scratch.object(place).map_err(|_| too_deep())?;
        scratch.push(place);
    }
    let list = scratch.array(list).map_err(|_| too_deep())?;
    let columns = columns.map_or(Value::NULL, |columns| scratch.string(&columns));
    let bytes = scratch.integer(0);
    [list, bytes, columns].into_iter().for_each(|value| scratch.push(value));
    scratch.array(whole).map_err(|_| too_deep())
}

/// Bytes of the objects read so far and one more.
pub(super) fn bytes_with(
    scratch: &Scratch,
    known: Value,
    more: usize,
    bytes_max: usize,
) -> Result<i64, StateError> {
    let before = scratch.item(known, 1).and_then(|bytes| scratch.i64(bytes)).unwrap_or(0);
    let bytes = before.saturating_add_unsigned(more as u64);
    if bytes.unsigned_abs() > bytes_max as u64 {
        return Err(failed(format!(
            "The objects have more than {bytes_max} bytes (engine.objects_size_max)."
        )));
    }
    Ok(bytes)
}

/// What was known, and the items of one more object; `bytes` of all so far.
pub(super) fn longer(
    scratch: &mut Scratch,
    known: Value,
    bytes: i64,
    items: Value,
) -> Result<Value, StateError> {
    let bytes = scratch.integer(bytes);
    let mark = scratch.mark();
    let mut parts = scratch.items(known);
    let mut at = 0;
    while let Some(part) = scratch.next_item(&mut parts) {
        scratch.push(if at == 1 { bytes } else { part });
        at += 1;
    }
    scratch.push(items);
    scratch.array(mark).map_err(|_| too_deep())
}

/// The items of each object that was read.
pub(super) fn items_in(scratch: &Scratch, known: Value) -> impl Iterator<Item = Value> {
    let mut parts = scratch.items(known);
    std::iter::from_fn(move || scratch.next_item(&mut parts)).skip(KNOWN)
}

/// Where the items of all objects come from.
pub(super) fn sources(scratch: &mut Scratch, known: Value) -> Sources {
    let objects = scratch.item(known, 0).unwrap_or(Value::NULL);
    let chunks: Vec<Value> = items_in(scratch, known).collect();
    let mut end = 0;
    let mut sources = Sources::with_capacity(chunks.len());
    for (at, chunk) in chunks.into_iter().enumerate() {
        let object = scratch.item(objects, at).unwrap_or(Value::NULL);
        let [bucket, key] = ["Bucket", "Key"].map(|name| {
            let text = scratch.member(object, name).unwrap_or(Value::NULL);
            scratch.str(text).into_owned()
        });
        end += scratch.count(chunk) as u32;
        sources.push((end, place(scratch, &bucket, &key)));
    }
    sources
}

/// `S3://bucket/key`, or the bucket alone.
pub(super) fn place(scratch: &mut Scratch, bucket: &str, key: &str) -> Value {
    let slash = if key.is_empty() { "" } else { "/" };
    scratch.string(&format!("S3://{bucket}{slash}{key}"))
}

/// The first items of all objects.
pub(super) fn flat(scratch: &mut Scratch, known: Value, max: usize) -> Result<Value, StateError> {
    let chunks: Vec<Value> = items_in(scratch, known).collect();
    let mark = scratch.mark();
    let mut left = max;
    for chunk in chunks {
        let mut items = scratch.items(chunk);
        while left > 0
            && let Some(item) = scratch.next_item(&mut items)
        {
            scratch.push(item);
            left -= 1;
        }
    }
    scratch.array(mark).map_err(|_| too_deep())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::value::Limits;

    fn names(index: Index, text: &str) -> Result<Objects, String> {
        index.objects(&mut Scratch::new(Limits::default()), text.as_bytes(), "b", 2)
    }

    fn places(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|(bucket, key)| ((*bucket).to_owned(), (*key).to_owned())).collect()
    }

    #[test]
    fn objects_are_named() {
        let listing = r#"{"Contents": [{"Key": "a/"}, {"Key": "a/1", "Size": 2}]}"#;
        assert_eq!(names(Index::Listing, listing).map(|it| it.places), Ok(places(&[("b", "a/1")])));
        let athena = "s3://x/y/z.csv\n\"s3://x/2\"\r\n\n";
        let expected = Ok(places(&[("x", "y/z.csv"), ("x", "2")]));
        assert_eq!(names(Index::Athena, athena).map(|it| it.places), expected);
        let inventory = r#"{"destinationBucket": "arn:aws:s3:::inv", "fileFormat": "CSV",
            "fileSchema": "Bucket, Key", "files": [{"key": "d/1.csv.gz", "size": 3}]}"#;
        let found = names(Index::Inventory, inventory).expect("a manifest");
        assert_eq!(found.places, places(&[("inv", "d/1.csv.gz")]));
        assert_eq!(found.columns.as_deref(), Some("Bucket, Key"));
    }

    #[test]
    fn what_names_no_objects_is_told() {
        for (index, text, why) in [
            (Index::Listing, r#"{"Contents": 1}"#, "no Contents"),
            (Index::Athena, "http://x/y", "no s3://BUCKET/KEY"),
            (Index::Inventory, "{}", "no fileFormat"),
            (Index::Inventory, r#"{"fileFormat": "ORC"}"#, "ORC can't be read"),
            (Index::Inventory, r#"{"fileFormat": "CSV"}"#, "no destinationBucket"),
            (Index::Inventory, "[", "What was read is"),
            (Index::Athena, "s3://x/1\ns3://x/2\ns3://x/3", "more than 2 objects"),
        ] {
            let told = names(index, text).expect_err(text);
            assert!(told.contains(why), "{told}");
        }
    }

    #[test]
    fn packed_texts_are_unpacked_within_bounds() {
        let packed = |text: &[u8]| {
            let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            out.write_all(text).expect("a Vec takes everything");
            out.finish().expect("a Vec takes everything")
        };
        assert_eq!(unpacked(&packed(b"a,b"), 3).as_deref(), Ok(&b"a,b"[..]));
        assert_eq!(unpacked(b"a", 3).as_deref(), Ok(&b"a"[..]));
        assert!(unpacked(&[0x1f, 0x8b, 0], 3).is_err());
        let bomb = packed(&vec![0; 1 << 20]);
        assert!(unpacked(&bomb, 1 << 20).is_ok());
        let told = unpacked(&bomb, (1 << 20) - 1);
        assert!(told.is_err_and(|why| why.contains("more than 1048575 bytes, unpacked")));
    }
}
