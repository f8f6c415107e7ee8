//! What the launcher tells the engine inside the Python process that it starts.
//!
//! The launcher replaces itself by `python`, with the engine preloaded by the dynamic linker, so that Python's own
//! start-up sees exactly the command line that the user wrote. What is left to say travels in one environment
//! variable, which the engine removes (together with the changed `LD_PRELOAD`) before Python starts: neither the
//! program nor its child processes ever see it.

use crate::command_line::{Choices, Engine, StatsForm, Tier};
use crate::views::Views;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

/// The variable that carries a [`Handoff`].
pub const VARIABLE: &str = "_HOTSPUR_LAUNCH";

/// The dynamic linker's list of libraries to load first.
pub const PRELOAD: &str = "LD_PRELOAD";

/// What the engine is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Handoff {
    /// The engine's file, to import it as `hotspur._hotspur` from.
    pub engine: PathBuf,
    /// The folder of the `hotspur` package.
    pub package: PathBuf,
    /// What `LD_PRELOAD` was before.
    pub preload: Option<OsString>,
    /// What the user chose on the command line.
    pub choices: Choices,
    /// The file descriptor through which the engine is preloaded, to be closed.
    pub descriptor: Option<i32>,
}

// Fields are separated by NUL-free, length-prefixed pieces, so that any path can be carried.
fn put(out: &mut Vec<u8>, field: Option<&[u8]>) {
    match field {
        None => out.extend_from_slice(b"-;"),
        Some(bytes) => {
            out.extend_from_slice(bytes.len().to_string().as_bytes());
            out.push(b':');
            out.extend_from_slice(bytes);
        }
    }
}

fn take<'a>(rest: &mut &'a [u8]) -> Option<Option<&'a [u8]>> {
    if let Some(tail) = rest.strip_prefix(b"-;") {
        *rest = tail;
        return Some(None);
    }
    let colon = rest.iter().position(|&byte| byte == b':')?;
    let length: usize = std::str::from_utf8(&rest[..colon]).ok()?.parse().ok()?;
    let tail = &rest[colon + 1..];
    if tail.len() < length {
        return None;
    }
    let (field, tail) = tail.split_at(length);
    *rest = tail;
    Some(Some(field))
}

/// The choice with this name, if one is given; none if it is given and unknown.
fn known<T>(name: Option<&OsStr>, from_name: fn(&OsStr) -> Option<T>) -> Option<Option<T>> {
    match name {
        None => Some(None),
        Some(name) => from_name(name).map(Some),
    }
}

impl Handoff {
    /// The value of the environment variable.
    pub fn encode(&self) -> OsString {
        let mut out = Vec::new();
        put(&mut out, Some(self.engine.as_os_str().as_bytes()));
        put(&mut out, Some(self.package.as_os_str().as_bytes()));
        put(&mut out, self.preload.as_deref().map(OsStr::as_bytes));
        put(&mut out, self.choices.tier.map(|tier| tier.name().as_bytes()));
        put(&mut out, self.choices.engine.map(|engine| engine.name().as_bytes()));
        put(&mut out, self.choices.stats.map(|form| form.name().as_bytes()));
        self.choices.views.all().into_iter().for_each(|view| put(&mut out, view.map(OsStr::as_bytes)));
        put(&mut out, self.descriptor.map(|number| number.to_string()).as_deref().map(str::as_bytes));
        OsString::from_vec(out)
    }

    /// Reads the value of the environment variable back. `None` if it was not written by [`Handoff::encode`].
    pub fn decode(value: &OsStr) -> Option<Handoff> {
        let mut rest = value.as_bytes();
        let owned = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
        let engine = PathBuf::from(owned(take(&mut rest)??));
        let package = PathBuf::from(owned(take(&mut rest)??));
        let preload = take(&mut rest)?.map(owned);
        let mut choice = || take(&mut rest).map(|name| name.map(OsStr::from_bytes));
        let choices = Choices {
            tier: known(choice()?, Tier::from_name)?,
            engine: known(choice()?, Engine::from_name)?,
            stats: known(choice()?, StatsForm::from_name)?,
            views: Views::from_all(|| choice().map(|view| view.map(OsStr::to_owned)))?,
        };
        let descriptor = match take(&mut rest)? {
            None => None,
            Some(number) => Some(std::str::from_utf8(number).ok()?.parse().ok()?),
        };
        rest.is_empty().then_some(Handoff { engine, package, preload, choices, descriptor })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip() {
        for preload in [None, Some(OsString::new()), Some("a.so:b.so".into())] {
            let views = Views { log: Some("-".into()), dump_to: Some("a:b".into()), ..Views::default() };
            let (tier, engine, stats) = (Some(Tier::Two), Some(Engine::Interp), Some(StatsForm::Json));
            for choices in [Choices::default(), Choices { tier, engine, stats, views }] {
                for descriptor in [None, Some(7)] {
                    let handoff = Handoff {
                        engine: "/a b:c/lib.so".into(),
                        package: OsString::from_vec(b"/\xff\n".to_vec()).into(),
                        preload: preload.clone(),
                        choices: choices.clone(),
                        descriptor,
                    };
                    assert_eq!(Handoff::decode(&handoff.encode()), Some(handoff));
                }
            }
        }
    }

    #[test]
    fn foreign_values() {
        for value in ["", "1", "3:ab", "x:abc", "0:0:-;1:9-;", "0:0:-;-;-;junk"] {
            assert_eq!(Handoff::decode(OsStr::new(value)), None, "{value}");
        }
    }
}
