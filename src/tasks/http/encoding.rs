//! Form encoding of query parameters and of bodies (`Transform.RequestBodyEncoding`).

use reqwest::Url;

use crate::tasks::arguments::{items, members, text};
use crate::value::{Kind, Scratch, Value};

/// `Transform.RequestEncodingOptions.ArrayFormat`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ArrayFormat {
    /// `a[0]=1&a[1]=2`
    Indices,
    /// `a=1&a=2`
    Repeat,
    /// `a=1,2`
    Commas,
    /// `a[]=1&a[]=2`
    Brackets,
    /// `a=[1,2]`
    None,
}

impl ArrayFormat {
    /// The names, as the field takes them.
    pub(super) const NAMES: [(&str, ArrayFormat); 5] = [
        ("INDICES", ArrayFormat::Indices),
        ("REPEAT", ArrayFormat::Repeat),
        ("COMMAS", ArrayFormat::Commas),
        ("BRACKETS", ArrayFormat::Brackets),
        ("NONE", ArrayFormat::None),
    ];
}

/// Names and values that an object stands for. Objects in it become `a[b]=1`; arrays of containers
/// get indexes whatever the format, as nothing else could tell their parts apart.
pub(super) fn pairs(
    scratch: &Scratch,
    object: Value,
    format: ArrayFormat,
) -> Vec<(String, String)> {
    let mut out = Vec::new();
    for (name, value) in members(scratch, object) {
        push(scratch, &name, value, format, &mut out);
    }
    out
}

fn push(
    scratch: &Scratch,
    name: &str,
    value: Value,
    format: ArrayFormat,
    out: &mut Vec<(String, String)>,
) {
    match value.kind() {
        Kind::Object => {
            for (inner, value) in members(scratch, value) {
                push(scratch, &format!("{name}[{inner}]"), value, format, out);
            }
        }
        Kind::Array => push_array(scratch, name, value, format, out),
        Kind::Null => out.push((name.to_owned(), String::new())),
        _ => out.push((name.to_owned(), text(scratch, value).into_owned())),
    }
}

fn push_array(
    scratch: &Scratch,
    name: &str,
    array: Value,
    format: ArrayFormat,
    out: &mut Vec<(String, String)>,
) {
    let items = items(scratch, array);
    let is_flat = items.iter().all(|item| !matches!(item.kind(), Kind::Object | Kind::Array));
    let format = match format {
        ArrayFormat::None => return out.push((name.to_owned(), text(scratch, array).into_owned())),
        ArrayFormat::Commas if is_flat => {
            let texts: Vec<_> = items.iter().map(|item| text(scratch, *item)).collect();
            return out.push((name.to_owned(), texts.join(",")));
        }
        format if is_flat => format,
        _ => ArrayFormat::Indices,
    };
    for (index, item) in items.into_iter().enumerate() {
        let name = match format {
            ArrayFormat::Indices => format!("{name}[{index}]"),
            ArrayFormat::Brackets => format!("{name}[]"),
            _ => name.to_owned(),
        };
        push(scratch, &name, item, format, out);
    }
}

/// `a=1&b=x+y`
pub(super) fn form(pairs: &[(String, String)]) -> String {
    let mut url = Url::parse("http://form").expect("this is a URL");
    url.query_pairs_mut().extend_pairs(pairs);
    url.query().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Limits;

    #[test]
    fn arrays_take_their_format() {
        let mut scratch = Scratch::new(Limits::default());
        let text = br#"{"a":["x y",2,null],"b":{"c":true},"d":[{"e":1}],"f":null}"#;
        let object = scratch.parse(text).expect("JSON");
        let rest = "b%5Bc%5D=true&d%5B0%5D%5Be%5D=1&f=";
        for (format, array) in [
            (ArrayFormat::Indices, "a%5B0%5D=x+y&a%5B1%5D=2&a%5B2%5D="),
            (ArrayFormat::Repeat, "a=x+y&a=2&a="),
            (ArrayFormat::Commas, "a=x+y%2C2%2Cnull"),
            (ArrayFormat::Brackets, "a%5B%5D=x+y&a%5B%5D=2&a%5B%5D="),
        ] {
            let encoded = form(&pairs(&scratch, object, format));
            assert_eq!(encoded, format!("{array}&{rest}"), "{format:?}");
        }
        let json = pairs(&scratch, object, ArrayFormat::None);
        assert_eq!(json[0].1, r#"["x y",2,null]"#);
    }
}
