//! Field types for records that tolerate a value of the wrong type.
//!
//! A log is untrusted, and its format changes between versions of an agent. If a field has a number instead of a text,
//! only that field is lost and not the whole line. Texts without escapes are borrowed from the line.
//!
//! In a record that borrows, one field with `#[serde(borrow)]` is enough: it ties the lifetime of the record to the line.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Defines visitor methods that return the default value, for the listed JSON types.
macro_rules! otherwise_default {
    ($($kind:ident)*) => { $(otherwise_default!(@ $kind);)* };
    (@ bool) => { fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> { Ok(Default::default()) } };
    (@ numbers) => {
        fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> { Ok(Default::default()) }
        fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> { Ok(Default::default()) }
        fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> { Ok(Default::default()) }
    };
    (@ str) => { fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> { Ok(Default::default()) } };
    (@ unit) => {
        fn visit_unit<E>(self) -> Result<Self::Value, E> { Ok(Default::default()) }
        fn visit_none<E>(self) -> Result<Self::Value, E> { Ok(Default::default()) }
    };
    (@ seq) => {
        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
            while seq.next_element::<IgnoredAny>()?.is_some() {}
            Ok(Default::default())
        }
    };
    (@ map) => {
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            Ok(Default::default())
        }
    };
}

/// The visitor of the field types below. One type for all of them, because it has no state.
struct Lenient<T>(PhantomData<T>);

/// Implements `Deserialize` for a field type: `[generics] type, "expected", otherwise (JSON types), { visitor methods }`.
/// The listed JSON types give the default value.
macro_rules! lenient {
    ([$($generics:tt)*] $type:ty, $expected:literal, otherwise($($kind:ident)*), { $($methods:tt)* }) => {
        impl<'de $($generics)*> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                d.deserialize_any(Lenient::<$type>(PhantomData))
            }
        }

        impl<'de $($generics)*> Visitor<'de> for Lenient<$type> {
            type Value = $type;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($expected)
            }
            $($methods)*
            otherwise_default!($($kind)*);
        }
    };
}

/// A text; `None` for a value of another type.
#[derive(Debug, Clone, Default)]
pub(crate) struct Text<'a>(pub Option<Cow<'a, str>>);

impl<'a> Text<'a> {
    /// Returns the text; empty if there is none.
    pub(crate) fn str(&self) -> &str {
        self.0.as_deref().unwrap_or_default()
    }

    /// Returns the text unless it is absent or empty.
    pub(crate) fn some(&self) -> Option<&str> {
        self.0.as_deref().filter(|t| !t.is_empty())
    }

    /// Returns an owned copy of [`Text::some`].
    pub(crate) fn owned(&self) -> Option<String> {
        self.some().map(str::to_owned)
    }

    /// Converts into a `String`, without a copy if the text is already owned.
    pub(crate) fn into_string(self) -> String {
        self.0.map(Cow::into_owned).unwrap_or_default()
    }
}

lenient!([: 'a, 'a] Text<'a>, "text", otherwise(bool numbers unit seq map), {
    fn visit_borrowed_str<E>(self, v: &'de str) -> Result<Self::Value, E> {
        Ok(Text(Some(Cow::Borrowed(v))))
    }
    fn visit_str<E>(self, v: &str) -> Result<Self::Value, E> {
        Ok(Text(Some(Cow::Owned(v.to_owned()))))
    }
    fn visit_string<E>(self, v: String) -> Result<Self::Value, E> {
        Ok(Text(Some(Cow::Owned(v))))
    }
});

/// A setting that a record may leave unchanged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Setting<'a> {
    /// The record does not name the setting, so it keeps its value.
    #[default]
    Unchanged,
    /// The setting is `null` or a value of another type: it has no value from here on.
    Cleared,
    Set(Cow<'a, str>),
}

impl<'de: 'a, 'a> Deserialize<'de> for Setting<'a> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = Text::deserialize(d)?;
        Ok(text.0.filter(|t| !t.is_empty()).map_or(Setting::Cleared, Setting::Set))
    }
}

/// The length of a text in bytes; zero for a value of another type.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Size(pub u64);

lenient!([] Size, "text", otherwise(bool numbers unit seq map), {
    fn visit_str<E>(self, v: &str) -> Result<Self::Value, E> {
        Ok(Size(v.len() as u64))
    }
});

/// A whole number; `None` for a value of another type.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Int(pub Option<i64>);

impl Int {
    /// Returns the number as a count; zero if it is absent or negative.
    pub(crate) fn count(self) -> u64 {
        self.0.and_then(|n| u64::try_from(n).ok()).unwrap_or(0)
    }
}

lenient!([] Int, "a number", otherwise(bool str unit seq map), {
    fn visit_u64<E>(self, v: u64) -> Result<Self::Value, E> {
        Ok(Int(i64::try_from(v).ok()))
    }
    fn visit_i64<E>(self, v: i64) -> Result<Self::Value, E> {
        Ok(Int(Some(v)))
    }
    fn visit_f64<E>(self, v: f64) -> Result<Self::Value, E> {
        #[expect(clippy::cast_possible_truncation, reason = "guarded by the range check")]
        Ok(Int((v.fract() == 0.0 && v.abs() < 9e15).then_some(v as i64)))
    }
});

/// A number that may have a fraction; `None` for a value of another type.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Float(pub Option<f64>);

lenient!([] Float, "a number", otherwise(bool str unit seq map), {
    fn visit_f64<E>(self, v: f64) -> Result<Self::Value, E> {
        Ok(Float(Some(v)))
    }
    fn visit_u64<E>(self, v: u64) -> Result<Self::Value, E> {
        #[expect(clippy::cast_precision_loss, reason = "amounts are small")]
        Ok(Float(Some(v as f64)))
    }
    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Float(None))
    }
});

/// A boolean; `false` for a value of another type.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Flag(pub bool);

lenient!([] Flag, "true or false", otherwise(numbers str unit seq map), {
    fn visit_bool<E>(self, v: bool) -> Result<Self::Value, E> {
        Ok(Flag(v))
    }
});

/// An object read as `T`; `None` for a value of another type.
#[derive(Debug, Clone)]
pub(crate) struct Obj<T>(pub Option<T>);

impl<T> Default for Obj<T> {
    fn default() -> Self {
        Obj(None)
    }
}

lenient!([, T: Deserialize<'de>] Obj<T>, "an object", otherwise(bool numbers str unit seq), {
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(|v| Obj(Some(v)))
    }
});

/// A list of objects. Other items are left out; a value of another type is an empty list.
#[derive(Debug, Clone)]
pub(crate) struct List<T>(pub Vec<T>);

impl<T> Default for List<T> {
    fn default() -> Self {
        List(Vec::new())
    }
}

lenient!([, T: Deserialize<'de>] List<T>, "a list", otherwise(bool numbers str unit map), {
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut out = Vec::new();
        while let Some(Obj(item)) = seq.next_element::<Obj<T>>()? {
            out.extend(item);
        }
        Ok(List(out))
    }
});

/// A list of texts. Other items are left out; a value of another type is an empty list.
#[derive(Debug, Default)]
pub(crate) struct Texts<'a>(pub Vec<Text<'a>>);

lenient!([: 'a, 'a] Texts<'a>, "a list of texts", otherwise(bool numbers str unit map), {
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut out = Vec::new();
        while let Some(text) = seq.next_element::<Text<'a>>()? {
            out.extend(text.0.is_some().then_some(text));
        }
        Ok(Texts(out))
    }
});

/// A text or a list of objects, which is how most formats write content.
#[derive(Debug, Clone)]
pub(crate) enum TextOr<'a, T> {
    Text(Cow<'a, str>),
    /// The objects; empty for a value of another type.
    List(Vec<T>),
}

impl<T> Default for TextOr<'_, T> {
    fn default() -> Self {
        TextOr::List(Vec::new())
    }
}

lenient!([: 'a, 'a, T: Deserialize<'de>] TextOr<'a, T>, "text or a list", otherwise(bool numbers unit map), {
    fn visit_borrowed_str<E>(self, v: &'de str) -> Result<Self::Value, E> {
        Ok(TextOr::Text(Cow::Borrowed(v)))
    }
    fn visit_str<E>(self, v: &str) -> Result<Self::Value, E> {
        Ok(TextOr::Text(Cow::Owned(v.to_owned())))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
        Lenient::<List<T>>(PhantomData).visit_seq(seq).map(|list| TextOr::List(list.0))
    }
});

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize, Default)]
    #[serde(default)]
    struct All<'a> {
        #[serde(borrow)]
        text: Text<'a>,
        size: Size,
        int: Int,
        flag: Flag,
        obj: Obj<serde_json::Value>,
        list: List<serde_json::Value>,
        content: TextOr<'a, serde_json::Value>,
        setting: Setting<'a>,
    }

    #[test]
    fn a_value_of_any_type_is_accepted_in_any_field() {
        let values =
            ["null", "true", "-3", "1.5", "18446744073709551615", "\"s\"", "\"\\n\"", "[1,{}]", "{\"a\":[]}"];
        for field in ["text", "size", "int", "flag", "obj", "list", "content", "setting"] {
            for value in values {
                let line = format!("{{\"{field}\":{value},\"other\":{value}}}");
                assert!(serde_json::from_str::<All<'_>>(&line).is_ok(), "{line}");
            }
        }
    }

    #[test]
    fn a_setting_is_unchanged_unless_the_record_names_it() {
        let setting = |line: &'static str| serde_json::from_str::<All<'_>>(line).unwrap().setting;
        assert_eq!(setting("{}"), Setting::Unchanged);
        assert_eq!(setting(r#"{"setting":null}"#), Setting::Cleared);
        assert_eq!(setting(r#"{"setting":"flex"}"#), Setting::Set("flex".into()));
    }

    #[test]
    fn values_of_the_right_type_are_kept_and_text_without_escapes_is_borrowed() {
        let line =
            r#"{"text":"t","size":"four","int":2.0,"flag":true,"obj":{"a":1},"list":[{},3],"content":"c"}"#;
        let all: All<'_> = serde_json::from_str(line).unwrap();
        assert!(matches!(&all.text.0, Some(Cow::Borrowed("t"))));
        assert_eq!((all.size.0, all.int.count(), all.flag.0, all.list.0.len()), (4, 2, true, 1));
        assert!(all.obj.0.is_some() && matches!(all.content, TextOr::Text(Cow::Borrowed("c"))));
    }
}
