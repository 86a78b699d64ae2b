//! Places in a document: values that are looked at where they stand, with no handle made of each.

use super::read::Key;
use super::scratch::Scratch;
use super::value::{Kind, Shape, Value};

/// Where a value of a document stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place(u32);

/// A cursor over the places of an array's items.
#[derive(Clone, Copy, Debug)]
pub struct Places {
    at: u32,
    end: u32,
}

impl Scratch {
    /// A cursor over the items of an array that was read; `None` for one that was built, and for
    /// anything else.
    #[inline]
    pub fn places(&self, array: Value) -> Option<Places> {
        if array.shape() != Shape::RawArray {
            return None;
        }
        let end = self.tape[array.link as usize].link - 1;
        Some(Places { at: array.link + 1, end })
    }

    /// The place of the next item.
    #[inline(always)]
    pub fn next_place(&self, places: &mut Places) -> Option<Place> {
        if places.at >= places.end {
            return None;
        }
        let at = places.at;
        places.at = self.tape[at as usize].link;
        Some(Place(at))
    }

    /// The place of a member, where one look finds it; `None`: there may be one all the same.
    #[inline(always)]
    pub fn place_of(&self, object: Place, key: &Key) -> Option<Place> {
        self.place(object.0, key.probe()).map(Place)
    }

    /// What kind of value stands there.
    #[inline(always)]
    pub fn kind_at(&self, place: Place) -> Kind {
        self.tape[place.0 as usize].kind()
    }

    /// The number that stands there; `None` for anything else.
    #[inline(always)]
    pub fn f64_at(&self, place: Place) -> Option<f64> {
        self.f64_here(self.tape[place.0 as usize])
    }

    /// What stands there.
    #[inline(always)]
    pub fn value_at(&self, place: Place) -> Value {
        self.handle(place.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Limits;

    #[test]
    fn places_show_what_handles_show() {
        let mut scratch = Scratch::new(Limits::default());
        let text = br#"[{"a":1,"b":[2]},[{"a":3}],"x",4.5,{"c":{"a":5}},{"a":6}]"#;
        let array = scratch.parse(text).expect("it is JSON");
        let (key, mut items) = (Key::new("a"), scratch.items(array));
        let mut places = scratch.places(array).expect("it was read");
        let mut found = Vec::new();
        while let Some(item) = scratch.next_item(&mut items) {
            let place = scratch.next_place(&mut places).expect("there are as many");
            assert!(scratch.value_at(place).is_same(item));
            assert_eq!(scratch.kind_at(place), item.kind());
            assert_eq!(scratch.f64_at(place), scratch.f64(item));
            // The first look leaves where the key stood for the next.
            let member = scratch.get(item, &key);
            let at = scratch.place_of(place, &key);
            assert_eq!(at.is_some(), member.is_some());
            found.extend(at.and_then(|at| scratch.f64_at(at)));
        }
        assert_eq!(scratch.next_place(&mut places), None);
        assert_eq!(found, [1.0, 6.0]);
        let mark = scratch.mark();
        let built = scratch.array(mark).expect("it is not deep");
        assert!(scratch.places(built).is_none());
    }
}
