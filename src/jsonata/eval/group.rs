//! Grouping: `items{key: value}`.

use std::collections::HashMap;

use super::budget::KEY_STEPS;
use super::{Evaluation, Result};
use crate::jsonata::error::Code;
use crate::jsonata::item::{Frame, Item, NONE, TUPLES};
use crate::jsonata::program::{Group, GroupId};
use crate::value::Value;

/// The items that share a key.
struct Entry {
    key: Value,
    /// Which of the pairs made the key.
    pair: usize,
    items: Vec<Item>,
}

#[derive(Default)]
struct Entries {
    entries: Vec<Entry>,
    by_key: HashMap<String, usize>,
}

impl Evaluation<'_> {
    pub(super) fn group_by(&mut self, id: GroupId, input: Item, frame: Frame) -> Result<Item> {
        let group = self.program.groups[id.index()];
        let is_stream = input.has(TUPLES);
        let held = self.held();
        let mut entries = Entries::default();
        let mut walk = self.walk(input);
        let mut next = self.next(&mut walk);
        // Of nothing at all, literal keys and values make an object all the same.
        let mut is_first = true;
        while next.is_some() || is_first {
            let item = next.unwrap_or(Item::Nothing);
            self.enter_item(group, item, frame, &mut entries)?;
            next = self.next(&mut walk);
            is_first = false;
        }
        let mark = self.mark();
        for entry in entries.entries {
            let (context, inner) = self.entry_scope(&entry, is_stream, frame)?;
            let value = self.program.children[group.pairs.start as usize + 2 * entry.pair + 1];
            let value = self.eval(value, context, inner)?;
            self.push(Item::Json(entry.key));
            self.push(value);
        }
        self.hold_only(held);
        self.members(mark)
    }

    /// Adds an item to the entries of its keys.
    fn enter_item(
        &mut self,
        group: Group,
        item: Item,
        frame: Frame,
        entries: &mut Entries,
    ) -> Result<()> {
        let (context, inner) = match item {
            Item::Tuple(tuple) => self.tuple_frame(tuple, frame),
            _ => (item, frame),
        };
        for pair in 0..group.pairs.len as usize / 2 {
            let node = self.program.children[group.pairs.start as usize + 2 * pair];
            let key = self.eval(node, context, inner)?;
            if key.is_nothing() {
                continue;
            }
            let name = self.object_key(key, group.at)?;
            self.tick(KEY_STEPS);
            let known = entries.by_key.get(&*self.scratch.str(name)).copied();
            match known {
                Some(at) if entries.entries[at].pair != pair => {
                    return Err(self.error(Code::D1009, key).at(group.at));
                }
                Some(at) => {
                    self.hold(size_of::<Item>())?;
                    entries.entries[at].items.push(item);
                }
                None => {
                    self.hold(name.size_max() + size_of::<Entry>() + size_of::<Item>())?;
                    let text = self.scratch.str(name).into_owned();
                    entries.by_key.insert(text, entries.entries.len());
                    entries.entries.push(Entry { key: name, pair, items: vec![item] });
                }
            }
        }
        Ok(())
    }

    /// What the value of an entry is evaluated with.
    fn entry_scope(
        &mut self,
        entry: &Entry,
        is_stream: bool,
        frame: Frame,
    ) -> Result<(Item, Frame)> {
        if !is_stream {
            if let [item] = entry.items[..] {
                return Ok((item, frame));
            }
            let mark = self.mark();
            for item in &entry.items {
                self.push_all(*item)?;
            }
            return Ok((self.list(mark, 0)?, frame));
        }
        let tuples: Vec<u32> = entry
            .items
            .iter()
            .filter_map(|item| if let Item::Tuple(id) = item { Some(*id) } else { None })
            .collect();
        if tuples.is_empty() {
            return Ok((Item::Nothing, self.memory.frame_of(frame, NONE)));
        }
        let merged = self.merge_tuples(&tuples)?;
        Ok((merged.context, self.memory.frame_of(frame, merged.first)))
    }
}
