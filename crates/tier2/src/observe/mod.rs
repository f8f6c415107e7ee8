//! Showing people what happens to traces: a log, a line for each event, and dumps of traces on their way to machine code.
//!
//! Both are off unless somebody asks for them, and cost a load then. Everything is written with the GIL held, runs no Python code, and
//! leaves an exception that is set as it is.
//!
//! What the log and dumps look like, and how to read them: `docs/dumps.md`.
//!
//! *Positions* are written `@ 18`: they count code units, as everywhere in Hotspur, and are half of the offsets that `dis` shows.

mod asm;
mod dump;
mod log;
mod names;
mod text;

pub(crate) use dump::{code_freed, compiled, ended, lists, passage_compiled, recorded};
pub use log::started;
pub(crate) use log::{aborted, attached, given_up, invalidated, passage, swept, trial};
pub(crate) use names::function_name;

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, Ordering};
use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::time::Instant;

/// Where something is written to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Destination {
    /// Standard error.
    StandardError,
    /// A file, at its end. `%p` in its name is the number of the process.
    File(PathBuf),
}

/// What is dumped of a trace.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Stages {
    /// The instructions of its code objects, when the first trace is made that goes through them.
    pub bytecode: bool,
    /// The superblock as it was recorded.
    pub recorded: bool,
    /// The superblock as the optimizer left it.
    pub optimized: bool,
    /// Cranelift's IR.
    pub cranelift: bool,
    /// Machine code, disassembled.
    pub assembly: bool,
    /// Exits and where they lead, when the executor becomes invalid (at the end of the process at the latest).
    pub exits: bool,
}

/// What is shown.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Options {
    /// Where the log goes, if there is one.
    pub log: Option<Destination>,
    /// What is dumped.
    pub stages: Stages,
    /// Only traces are dumped that begin in functions with these qualified names, which may have `*` and `?` in them.
    pub functions: Vec<String>,
    /// Where dumps go.
    pub dump: Destination,
}

/// Where text goes.
enum Output {
    StandardError,
    File(File),
}

impl Output {
    fn open(destination: &Destination) -> std::io::Result<Output> {
        match destination {
            Destination::StandardError => Ok(Output::StandardError),
            Destination::File(path) => {
                let name = path.to_string_lossy().replace("%p", &std::process::id().to_string());
                Ok(Output::File(OpenOptions::new().append(true).create(true).open(name)?))
            }
        }
    }

    /// Writes at once, in one piece as far as the system does so. If that fails, the program goes on.
    fn write(&mut self, text: &str) {
        let _: std::io::Result<()> = match self {
            Output::StandardError => std::io::stderr().write_all(text.as_bytes()),
            Output::File(file) => file.write_all(text.as_bytes()),
        };
    }
}

/// Who looks.
struct Observer {
    since: Instant,
    log: Option<Output>,
    stages: Stages,
    functions: Vec<String>,
    dump: Output,
    /// Code objects whose instructions were dumped, by address.
    shown: HashSet<usize>,
}

struct Global(UnsafeCell<Option<Observer>>);
// SAFETY: only touched with the GIL held, and no reference outlives the function that asked for it.
unsafe impl Sync for Global {}
static OBSERVER: Global = Global(UnsafeCell::new(None));

static LOGS: AtomicBool = AtomicBool::new(false);
static DUMPS: AtomicBool = AtomicBool::new(false);

/// Whether there is a log. Costs a load.
#[inline(always)]
fn logs() -> bool {
    LOGS.load(Ordering::Relaxed)
}

/// Whether anything is dumped. Costs a load.
#[inline(always)]
fn dumps() -> bool {
    DUMPS.load(Ordering::Relaxed)
}

/// `f` must not come back here.
fn with<T>(f: impl FnOnce(&mut Observer) -> T) -> Option<T> {
    // SAFETY: the GIL is held, and nothing that is called with the reference asks for another one.
    unsafe { (*OBSERVER.0.get()).as_mut() }.map(f)
}

/// Shows this from now on.
///
/// # Errors
/// A file cannot be opened: a message for the user.
///
/// # Safety
/// GIL held.
pub unsafe fn observe(options: Options) -> Result<(), String> {
    let open = |destination: &Destination| {
        Output::open(destination).map_err(|error| match destination {
            Destination::File(path) => format!("{}: {error}", path.display()),
            Destination::StandardError => error.to_string(),
        })
    };
    let observer = Observer {
        since: Instant::now(),
        log: options.log.as_ref().map(open).transpose()?,
        stages: options.stages,
        functions: options.functions,
        dump: open(&options.dump)?,
        shown: HashSet::new(),
    };
    LOGS.store(observer.log.is_some(), Ordering::Relaxed);
    DUMPS.store(observer.stages != Stages::default(), Ordering::Relaxed);
    // SAFETY: as the caller promises.
    unsafe { *OBSERVER.0.get() = Some(observer) };
    Ok(())
}

/// Whether a text is as the pattern says, in which `*` is any text and `?` any character.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    // Where to go on if there is no match: the last star, and what it has taken so far.
    let (mut p, mut t, mut star) = (0, 0, None);
    while t < text.len() {
        if p < pattern.len() && pattern[p] == '*' {
            star = Some((p, t));
            p += 1;
        } else if p < pattern.len() && (pattern[p] == '?' || pattern[p] == text[t]) {
            (p, t) = (p + 1, t + 1);
        } else if let Some((at, taken)) = star {
            star = Some((at, taken + 1));
            (p, t) = (at + 1, taken + 1);
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|&c| c == '*')
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns() {
        for (pattern, text) in [("*", ""), ("a*c", "abbc"), ("a*c", "ac"), ("?.f", "C.f"), ("*.f", "a.b.f"), ("f", "f")]
        {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("", "a"), ("a*c", "abcd"), ("?", ""), ("?.f", "CC.f"), ("f", "ff"), ("*.f", "f")] {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
    }
}
