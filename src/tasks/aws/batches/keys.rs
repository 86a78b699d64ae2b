//! Which items are the same: what a table's key is made of, asked once for each table.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use serde_json::{Value as Json, json};
use tokio::sync::OnceCell;

use crate::aws::{Call, Client, ErrorKind};

/// The names of a key's attributes; `None` where they can't be known.
type Schema = Rc<OnceCell<Option<Vec<String>>>>;

/// Tables whose keys are known.
pub(super) struct Keys {
    known: RefCell<HashMap<String, Schema>>,
    /// So many are kept: which ones there are may come from events.
    tables_max: usize,
}

impl Keys {
    pub(super) fn new(tables_max: usize) -> Keys {
        Keys { known: RefCell::default(), tables_max }
    }

    /// What is known of a table, to be filled.
    fn schema(&self, place: String) -> Schema {
        let mut known = self.known.borrow_mut();
        if let Some(schema) = known.get(&place) {
            return schema.clone();
        }
        if known.len() >= self.tables_max {
            // Somebody is about to ask for the others.
            known.retain(|_, schema| Rc::strong_count(schema) > 1);
        }
        known.entry(place).or_default().clone()
    }

    /// The key of the item that an entry writes; `None` where it can't be known.
    pub(super) async fn of(
        &self,
        client: &Client,
        call: &Call<'_>,
        table: &Json,
        entry: &Json,
    ) -> Option<String> {
        let Call { endpoint, region, role, held, .. } = *call;
        let place = format!("{endpoint:?} {region:?} {role:?} {table}");
        let schema = self.schema(place);
        let names = schema.get_or_try_init(|| async {
            let describe =
                Call { endpoint, region, role, held, ..Call::new(call.service, "DescribeTable") };
            let told = client.call(&describe, &json!({ "TableName": table })).await;
            match told {
                Ok(told) => Ok(names_of(&told.members)),
                // What passes is asked again with the next item.
                Err(error) if error.is_retriable() || error.kind == ErrorKind::Down => Err(()),
                Err(error) => {
                    tracing::warn!(%table, %error, "calls to a table go alone: its key is not known");
                    Ok(None)
                }
            }
        });
        key_of(names.await.ok()?.as_ref()?, entry)
    }
}

fn names_of(told: &Json) -> Option<Vec<String>> {
    let schema = told["Table"]["KeySchema"].as_array()?.iter();
    schema.map(|part| part["AttributeName"].as_str().map(str::to_owned)).collect()
}

/// The values of the key's attributes, one after the other.
fn key_of(names: &[String], entry: &Json) -> Option<String> {
    let item = entry.get("PutRequest").map(|it| &it["Item"]);
    let item = item.or_else(|| entry.get("DeleteRequest").map(|it| &it["Key"]))?;
    let values = names.iter().map(|name| item.get(name).map(Json::to_string));
    Some(values.collect::<Option<Vec<_>>>()?.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_tables_are_kept_as_the_setting_says() {
        let keys = Keys::new(2);
        let in_use = keys.schema("a".to_owned());
        for table in ["b", "c"] {
            keys.schema(table.to_owned());
        }
        let known = || keys.known.borrow().len();
        assert_eq!(known(), 2, "that in use, and the last one");
        assert!(Rc::ptr_eq(&in_use, &keys.schema("a".to_owned())));
        drop(in_use);
        keys.schema("d".to_owned());
        assert_eq!(known(), 1);
    }

    #[test]
    fn a_key_is_its_attributes() {
        let told = json!({ "Table": { "KeySchema": [{ "AttributeName": "id", "KeyType": "HASH" },
            { "AttributeName": "at", "KeyType": "RANGE" }] } });
        let names = names_of(&told).expect("it has a key");
        assert_eq!(names, ["id", "at"]);
        let put = json!({ "PutRequest": { "Item": { "at": { "N": "1" }, "id": { "S": "a" }, "x": {} } } });
        let delete =
            json!({ "DeleteRequest": { "Key": { "id": { "S": "a" }, "at": { "N": "1" } } } });
        let key = key_of(&names, &put);
        assert_eq!(key.as_deref(), Some(r#"{"S":"a"} {"N":"1"}"#));
        assert_eq!(key_of(&names, &delete), key);
        assert_eq!(key_of(&names, &json!({ "PutRequest": { "Item": { "id": {} } } })), None);
        assert_eq!(names_of(&json!({})), None);
    }
}
