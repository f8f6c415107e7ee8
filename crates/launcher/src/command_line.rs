//! The command line of `hotspur`: its own long options, mixed with `python`'s.
//!
//! Python's part is passed on word by word; all that has to be known about it is where it ends, that is which options
//! take a value and which end the options (`-c` and `-m`, also inside a cluster such as `-Ic`). What Python does not
//! know either, Python reports, in its own words.

use crate::views::{DumpStage, Views};
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// What `hotspur --help` prints.
pub const HELP: &str = "\
usage: hotspur [hotspur options] [python options] [-c cmd | -m mod | file | -] [arg] ...
       hotspur autoload on|off|status

Runs a Python program in CPython 3.13 with Hotspur's tracing JIT.

Hotspur's options (anywhere before the program):
  --python PATH   the CPython 3.13 to use (also: environment variable HOTSPUR_PYTHON)
  --tier N        the highest tier to use; 1: the specializing interpreter, 2 (default): executors as well
  --engine NAME   how executors run: jit (machine code) or interp (the tier 2 interpreter)
  --stats[=FORM]  print what Hotspur did when the program ends, as a table or as json; with the share of each tier in
                  what was executed if HOTSPUR_COUNT_INSTRUCTIONS=1 is set, too, which is slow
  --log[=FILE]    one line for each thing that happens to a trace, on standard error or in FILE
  --dump=WHAT,... print traces: bytecode, ir (as recorded), opt (optimized), clif (Cranelift's IR), asm, exits
  --dump-function=NAME,...  only those that begin in these functions: qualified names, with * and ?
  --dump-to=FILE  where to, instead of standard error
  --gdb           tell gdb about machine code
  --perf          tell perf about machine code: /tmp/perf-<pid>.map
  --help          this text
  --version       Hotspur's version

All other options are Python's (`hotspur -h` lists them).

hotspur autoload on|off|status
  on: every start of that Python (child processes too) has Hotspur enabled; off: undo that.

Environment:
  HOTSPUR=0          switch Hotspur off, whatever else is set
  HOTSPUR_PYTHON     like --python
  HOTSPUR_TIER, HOTSPUR_ENGINE, HOTSPUR_STATS  like --tier, --engine, --stats
  HOTSPUR_LOG, HOTSPUR_DUMP, HOTSPUR_DUMP_FUNCTION, HOTSPUR_DUMP_TO, HOTSPUR_GDB=1, HOTSPUR_PERF_MAP=1
                     like --log, --dump, ...
  HOTSPUR_PASSES     the optimizer's passes: all, none, some (fold,dce), or all but some (-peel)
  HOTSPUR_<NAME>     a parameter of tier 2, such as HOTSPUR_EXIT_THRESHOLD=50; docs/parameters.md has them all
  HOTSPUR_STRESS=1   compile everything from the first call on (for tests)
  HOTSPUR_REPORT=DIR write DIR/<pid>.json with Hotspur's counters when a process ends
";

macro_rules! choice {
    ($(#[$doc:meta])* $name:ident { $($(#[$row_doc:meta])* $variant:ident = $text:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $name { $($(#[$row_doc])* $variant),* }

        impl $name {
            /// Everything that there is to choose from.
            pub const ALL: &'static [$name] = &[$($name::$variant),*];

            /// The name, as the user writes it.
            pub fn name(self) -> &'static str {
                match self { $($name::$variant => $text),* }
            }

            /// What has this name.
            pub fn from_name(name: &OsStr) -> Option<$name> {
                $name::ALL.iter().copied().find(|choice| name == choice.name())
            }

            /// All names, for a message.
            pub(crate) fn names() -> String {
                $name::ALL.iter().map(|choice| choice.name()).collect::<Vec<_>>().join(", ")
            }
        }
    };
}
pub(crate) use choice;

choice! {
    /// The highest tier that may be used.
    Tier {
        /// The specializing interpreter, nothing else.
        One = "1",
        /// Traces are recorded and run as executors.
        Two = "2",
    }
}

choice! {
    /// What executors run on.
    Engine {
        /// Machine code.
        Jit = "jit",
        /// The tier 2 interpreter.
        Interp = "interp",
    }
}

choice! {
    /// How `--stats` prints.
    StatsForm {
        /// For people.
        Table = "table",
        /// For programs.
        Json = "json",
    }
}

/// What the user says of how Hotspur is to work.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choices {
    /// `--tier N`
    pub tier: Option<Tier>,
    /// `--engine NAME`
    pub engine: Option<Engine>,
    /// `--stats[=FORM]`
    pub stats: Option<StatsForm>,
    /// What is to be shown of traces, as environment variables would say it.
    pub views: Views,
}

/// Hotspur's own options.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// `--python PATH`
    pub python: Option<OsString>,
    /// What Hotspur is to do.
    pub choices: Choices,
}

/// What `hotspur autoload` is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Autoload {
    /// Install the `.pth` file.
    On,
    /// Remove it.
    Off,
    /// Say whether it is there.
    Status,
}

impl Autoload {
    /// The verb as the user writes it.
    pub fn name(self) -> &'static str {
        match self {
            Autoload::On => "on",
            Autoload::Off => "off",
            Autoload::Status => "status",
        }
    }
}

/// What a command line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Run Python.
    Run {
        /// Python's options, as they were written, Hotspur's taken out.
        options: Vec<OsString>,
        /// The rest: script, `-c` or `-m` (possibly at the end of a cluster) with everything after it. Empty for a
        /// program on standard input.
        program: Vec<OsString>,
    },
    /// `--help`
    Help,
    /// `--version`
    Version,
    /// `autoload ...`
    Autoload(Autoload),
}

/// A command line, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandLine {
    /// Hotspur's own options.
    pub hotspur: Options,
    /// What to do.
    pub action: Action,
}

/// A mistake in Hotspur's part of the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UsageError {
    /// An option without the value it needs.
    MissingValue(&'static str),
    /// `--tier` with something that is no tier.
    UnknownTier(OsString),
    /// `--engine` with something that is no engine.
    UnknownEngine(OsString),
    /// `--stats` with something that is no form.
    UnknownStatsForm(OsString),
    /// `--dump` with something that cannot be dumped.
    UnknownDumpStage(OsString),
    /// `autoload` with something else than `on`, `off` or `status`.
    AutoloadVerb(Option<OsString>),
}

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UsageError::MissingValue(option) => write!(f, "option {option} needs a value"),
            UsageError::UnknownTier(value) => {
                write!(f, "--tier {}: this build has: {}", value.to_string_lossy(), Tier::names())
            }
            UsageError::UnknownEngine(value) => {
                write!(f, "--engine {}: this build has: {}", value.to_string_lossy(), Engine::names())
            }
            UsageError::UnknownStatsForm(value) => {
                write!(f, "--stats={}: this build has: {}", value.to_string_lossy(), StatsForm::names())
            }
            UsageError::UnknownDumpStage(value) => {
                write!(f, "--dump={}: this build has: {}", value.to_string_lossy(), DumpStage::names())
            }
            UsageError::AutoloadVerb(None) => write!(f, "autoload needs one of: on, off, status"),
            UsageError::AutoloadVerb(Some(verb)) => {
                write!(f, "autoload {}: expected one of: on, off, status", verb.to_string_lossy())
            }
        }
    }
}

impl std::error::Error for UsageError {}

/// How a short option of Python's goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Short {
    /// The next letter of the cluster is the next option.
    Flag,
    /// The rest of the cluster, or else the next word, is its value.
    Value,
    /// As [`Short::Value`], and what follows belongs to the program.
    Program,
    /// Python will complain; what follows does not matter.
    Unknown,
}

fn short_option(letter: u8) -> Short {
    match letter {
        b'b' | b'B' | b'd' | b'E' | b'h' | b'i' | b'I' | b'O' | b'P' | b'q' | b'R' | b's' | b'S' | b't' | b'u'
        | b'v' | b'V' | b'x' | b'?' => Short::Flag,
        b'W' | b'X' => Short::Value,
        b'c' | b'm' => Short::Program,
        _ => Short::Unknown,
    }
}

/// How one word that starts with `-` goes on.
enum Word {
    /// Complete in itself.
    Complete,
    /// The next word is its value.
    TakesNext,
    /// The program starts with this word.
    Program,
}

fn python_word(word: &[u8]) -> Word {
    if word.starts_with(b"--") {
        return match word {
            b"--check-hash-based-pycs" => Word::TakesNext,
            _ => Word::Complete,
        };
    }
    for (at, &letter) in word.iter().enumerate().skip(1) {
        match short_option(letter) {
            Short::Flag => {}
            Short::Program => return Word::Program,
            Short::Value => {
                return if at + 1 == word.len() { Word::TakesNext } else { Word::Complete };
            }
            Short::Unknown => return Word::Complete,
        }
    }
    Word::Complete
}

/// Reads the command line of `hotspur` (without the program name).
pub fn parse<I>(args: I) -> Result<CommandLine, UsageError>
where
    I: IntoIterator<Item = OsString>,
{
    let mut args = args.into_iter();
    let mut hotspur = Options::default();
    let mut options = Vec::new();
    let mut program = Vec::new();
    while let Some(arg) = args.next() {
        // Hotspur's options. New ones go here, and into `Choices` and `HELP`.
        let (name, attached) = split_long(&arg);
        let mut value = |option: &'static str| match attached.clone() {
            Some(value) => Ok(value),
            None => args.next().ok_or(UsageError::MissingValue(option)),
        };
        match name {
            b"--python" => {
                hotspur.python = Some(value("--python")?);
                continue;
            }
            b"--tier" => {
                let value = value("--tier")?;
                hotspur.choices.tier = Some(Tier::from_name(&value).ok_or(UsageError::UnknownTier(value))?);
                continue;
            }
            b"--engine" => {
                let value = value("--engine")?;
                hotspur.choices.engine = Some(Engine::from_name(&value).ok_or(UsageError::UnknownEngine(value))?);
                continue;
            }
            b"--stats" => {
                let form = attached.unwrap_or_else(|| StatsForm::Table.name().into());
                hotspur.choices.stats = Some(StatsForm::from_name(&form).ok_or(UsageError::UnknownStatsForm(form))?);
                continue;
            }
            b"--help" if attached.is_none() => {
                return Ok(CommandLine { hotspur, action: Action::Help });
            }
            b"--version" if attached.is_none() => {
                return Ok(CommandLine { hotspur, action: Action::Version });
            }
            name => {
                if let Some((option, alone, field)) = hotspur.choices.views.option(name) {
                    *field = Some(match alone {
                        // What need not have a value has it in the same word.
                        Some(alone) => attached.unwrap_or_else(|| alone.into()),
                        None => value(option)?,
                    });
                    if let Some(names) = &hotspur.choices.views.dump {
                        DumpStage::list(names).map_err(UsageError::UnknownDumpStage)?;
                    }
                    continue;
                }
            }
        }

        let bytes = arg.as_bytes();
        if bytes == b"autoload" && options.is_empty() {
            let verb = args.next();
            let verb = match verb.as_deref().map(OsStr::as_bytes) {
                Some(b"on") => Autoload::On,
                Some(b"off") => Autoload::Off,
                Some(b"status") => Autoload::Status,
                _ => return Err(UsageError::AutoloadVerb(verb)),
            };
            return Ok(CommandLine { hotspur, action: Action::Autoload(verb) });
        }
        if bytes.len() < 2 || bytes[0] != b'-' || bytes == b"--" {
            program.push(arg);
            break;
        }
        match python_word(bytes) {
            Word::Complete => options.push(arg),
            Word::TakesNext => {
                options.push(arg);
                options.extend(args.next());
            }
            Word::Program => {
                program.push(arg);
                break;
            }
        }
    }
    program.extend(args);
    Ok(CommandLine { hotspur, action: Action::Run { options, program } })
}

/// Splits `--name=value`. Anything else is a name without a value.
fn split_long(arg: &OsStr) -> (&[u8], Option<OsString>) {
    let bytes = arg.as_bytes();
    if bytes.starts_with(b"--")
        && let Some(at) = bytes.iter().position(|&byte| byte == b'=')
    {
        return (&bytes[..at], Some(OsString::from_vec(bytes[at + 1..].to_vec())));
    }
    (bytes, None)
}

/// The interpreter options of a `python` command line (without the program name): what stands before the script,
/// `-c` or `-m`. For a cluster such as `-Im` the part before the `m` is returned, as an option of its own.
///
/// `python -O -m hotspur x.py` must keep the `-O`; this is how it is found in `sys.orig_argv`.
pub fn python_options<I>(args: I) -> Vec<OsString>
where
    I: IntoIterator<Item = OsString>,
{
    let mut args = args.into_iter();
    let mut options = Vec::new();
    while let Some(arg) = args.next() {
        let bytes = arg.as_bytes();
        if bytes.len() < 2 || bytes[0] != b'-' || bytes == b"--" {
            break;
        }
        match python_word(bytes) {
            Word::Complete => options.push(arg),
            Word::TakesNext => {
                options.push(arg);
                options.extend(args.next());
            }
            Word::Program => {
                let at = bytes
                    .iter()
                    .skip(1)
                    .position(|&letter| short_option(letter) == Short::Program)
                    .map_or(bytes.len(), |at| at + 1);
                if at > 1 {
                    options.push(OsString::from_vec(bytes[..at].to_vec()));
                }
                break;
            }
        }
    }
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<OsString> {
        text.split_whitespace().map(OsString::from).collect()
    }

    fn run(text: &str) -> (Options, Vec<OsString>, Vec<OsString>) {
        match parse(words(text)) {
            Ok(CommandLine { hotspur, action: Action::Run { options, program } }) => (hotspur, options, program),
            other => panic!("{text}: {other:?}"),
        }
    }

    /// Each row: a command line, Python's options in it, and the program.
    #[test]
    fn python_part() {
        let table = [
            ("", "", ""),
            ("-", "", "-"),
            ("-i", "-i", ""),
            ("x.py -c a", "", "x.py -c a"),
            ("-u x.py --tier 9", "-u", "x.py --tier 9"),
            ("-c pass -O", "", "-c pass -O"),
            ("-cpass --python", "", "-cpass --python"),
            ("-Ic pass", "", "-Ic pass"),
            ("-O -Im mod --help", "-O", "-Im mod --help"),
            ("-Xdev -X utf8 -c 1", "-Xdev -X utf8", "-c 1"),
            ("-bX dev x", "-bX dev", "x"),
            ("-Wc -W c x", "-Wc -W c", "x"),
            ("-W error::DeprecationWarning -bb x.py a b", "-W error::DeprecationWarning -bb", "x.py a b"),
            ("--check-hash-based-pycs never -x script", "--check-hash-based-pycs never -x", "script"),
            ("--help-env", "--help-env", ""),
            ("-- -c", "", "-- -c"),
            ("-V", "-V", ""),
            ("-Zc x", "-Zc", "x"),
            ("./autoload on", "", "./autoload on"),
            ("-O autoload on", "-O", "autoload on"),
            ("-X", "-X", ""),
            ("--no-such-option x", "--no-such-option", "x"),
        ];
        for (line, options, program) in table {
            let (hotspur, found_options, found_program) = run(line);
            assert_eq!(hotspur, Options::default(), "{line}");
            assert_eq!(found_options, words(options), "{line}");
            assert_eq!(found_program, words(program), "{line}");
        }
    }

    #[test]
    fn own_options_among_pythons() {
        let (hotspur, options, program) = run("-O --python /p/python --tier 1 -u x.py --tier 7");
        assert_eq!(hotspur.python, Some("/p/python".into()));
        assert_eq!(hotspur.choices.tier, Some(Tier::One));
        assert_eq!(options, words("-O -u"));
        assert_eq!(program, words("x.py --tier 7"));
        let (hotspur, options, program) = run("--engine interp --stats -u x.py --stats=json");
        assert_eq!((hotspur.choices.engine, hotspur.choices.stats), (Some(Engine::Interp), Some(StatsForm::Table)));
        assert_eq!((options, program), (words("-u"), words("x.py --stats=json")));
        let (hotspur, _, program) = run("--stats=json x.py");
        assert_eq!((hotspur.choices.stats, program), (Some(StatsForm::Json), words("x.py")));
        let (hotspur, _, program) = run("--tier=1 --python=p -c x");
        assert_eq!(hotspur.python, Some("p".into()));
        assert_eq!(hotspur.choices.tier, Some(Tier::One));
        assert_eq!(program, words("-c x"));
        let (hotspur, options, program) =
            run("--log --dump ir,opt --dump-to=f --gdb --perf -u --dump-function a.* x --log=y");
        let text = |text: &str| Some(OsString::from(text));
        let (log, dump, dump_to, dump_function, gdb) = (text("-"), text("ir,opt"), text("f"), text("a.*"), text("1"));
        let perf = text("1");
        assert_eq!(hotspur.choices.views, Views { log, dump, dump_function, dump_to, gdb, perf });
        assert_eq!((options, program), (words("-u"), words("x --log=y")));
    }

    #[test]
    fn value_of_a_python_option_is_not_ours() {
        let (hotspur, options, program) = run("-X --tier x");
        assert_eq!(hotspur, Options::default());
        assert_eq!(options, words("-X --tier"));
        assert_eq!(program, words("x"));
    }

    #[test]
    fn actions() {
        let action = |text: &str| parse(words(text)).unwrap().action;
        assert_eq!(action("--help"), Action::Help);
        assert_eq!(action("-O --version"), Action::Version);
        assert_eq!(action("autoload on"), Action::Autoload(Autoload::On));
        assert_eq!(action("--python x autoload off"), Action::Autoload(Autoload::Off));
        assert_eq!(action("autoload status"), Action::Autoload(Autoload::Status));
    }

    #[test]
    fn mistakes() {
        let error = |text: &str| parse(words(text)).unwrap_err();
        assert_eq!(error("--python"), UsageError::MissingValue("--python"));
        assert_eq!(error("--tier"), UsageError::MissingValue("--tier"));
        assert_eq!(error("--tier 9 x"), UsageError::UnknownTier("9".into()));
        assert_eq!(error("autoload"), UsageError::AutoloadVerb(None));
        assert_eq!(error("autoload maybe"), UsageError::AutoloadVerb(Some("maybe".into())));
        assert!(error("--tier 9").to_string().contains("this build has: 1, 2"));
        assert_eq!(error("--engine x y"), UsageError::UnknownEngine("x".into()));
        assert_eq!(error("--stats=x y"), UsageError::UnknownStatsForm("x".into()));
        assert_eq!(error("--dump"), UsageError::MissingValue("--dump"));
        assert_eq!(error("--dump=opt,x y"), UsageError::UnknownDumpStage("x".into()));
        assert!(error("--dump=x").to_string().contains("bytecode, ir, opt, clif, asm, exits"));
    }

    #[test]
    fn options_of_a_running_python() {
        let table = [
            ("-O -X dev -m hotspur -c pass", "-O -X dev"),
            ("-Im hotspur x", "-I"),
            ("-IOmhotspur x", "-IO"),
            ("/venv/bin/hotspur -O x", ""),
            ("-u /venv/bin/hotspur -O x", "-u"),
            ("-m hotspur", ""),
        ];
        for (line, options) in table {
            assert_eq!(python_options(words(line)), words(options), "{line}");
        }
    }
}
