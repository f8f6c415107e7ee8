//! The `hotspur` command, as cargo builds it: finds a CPython 3.13 and becomes it, with the engine preloaded.
//!
//! An installed Hotspur has a command of its own, which is a small Python program.

use hotspur_launcher::command_line::{self, Action, Autoload};
use hotspur_launcher::find::{self, Environment, Python};
use hotspur_launcher::handoff::Handoff;
use hotspur_launcher::{EXIT_USAGE, VERSION, start};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::SystemTime;

/// Where this was built: the Python part of Hotspur is used from there.
const SOURCE: &str = env!("CARGO_MANIFEST_DIR");

fn main() -> ExitCode {
    let line = match command_line::parse(std::env::args_os().skip(1)) {
        Ok(line) => line,
        Err(error) => {
            eprintln!("hotspur: {error}\nTry `hotspur --help` for more information.");
            return usage();
        }
    };
    match line.action {
        Action::Help => print!("{}", command_line::HELP),
        Action::Version => println!("Hotspur {VERSION}"),
        Action::Autoload(verb) => {
            return with_python(line.hotspur.python, |python| autoload(python, verb));
        }
        Action::Run { mut options, program } => {
            options.extend(program);
            let choices = line.hotspur.choices;
            return with_python(line.hotspur.python, |python| {
                let handoff = handoff(&python).map(|handoff| Handoff { choices, ..handoff });
                start::exec(&python.executable, None, &options, handoff)
            });
        }
    }
    ExitCode::SUCCESS
}

fn usage() -> ExitCode {
    ExitCode::from(EXIT_USAGE as u8)
}

/// Finds Python and hands it over to something that replaces this process.
fn with_python(option: Option<OsString>, replace: impl FnOnce(Python) -> std::io::Error) -> ExitCode {
    let python = match find::find(&Environment::from_process(option)) {
        Ok(python) => python,
        Err(error) => {
            eprintln!("hotspur: {error}");
            return usage();
        }
    };
    if let Some(folder) = &python.skipped_environment {
        eprintln!(
            "hotspur: the active virtual environment {} has no CPython 3.13; using {}",
            folder.display(),
            python.executable.display()
        );
    }
    let executable = python.executable.clone();
    let error = replace(python);
    eprintln!("hotspur: cannot run {}: {error}", executable.display());
    usage()
}

/// What the engine is to be told; `None` if Python is to run without it.
fn handoff(python: &Python) -> Option<Handoff> {
    // With HOTSPUR=0 as well: `import hotspur` has to work, and nothing more will happen there.
    let warn = |reason: &str| {
        if !hotspur_launcher::switched_off() {
            eprintln!("hotspur: {reason}; running on stock CPython");
        }
    };
    if let Some(reason) = &python.unsupported {
        warn(&format!("{} {reason}", python.executable.display()));
        return None;
    }
    let Some(engine) = engine() else {
        warn("libhotspur_engine.so is not where this command was built (run `cargo build --release`)");
        return None;
    };
    Some(Handoff { engine, package: Path::new(SOURCE).join("python").join("hotspur"), ..Handoff::default() })
}

/// The engine that was built together with this command: the newer one of where cargo puts libraries.
fn engine() -> Option<PathBuf> {
    // Without /proc (in some containers) the system does not tell; what we were called as is usually a path.
    let command =
        std::env::current_exe().or_else(|_| std::path::absolute(std::env::args_os().next().unwrap_or_default()));
    let folder = command.ok()?.canonicalize().ok()?;
    let folder = folder.parent()?;
    // Test programs lie beside the library, the command one folder above.
    [folder.join("deps"), folder.to_path_buf()]
        .into_iter()
        .map(|folder| folder.join("libhotspur_engine.so"))
        .filter_map(|path| {
            let modified = path.metadata().ok()?.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            Some((modified, path))
        })
        .max()
        .map(|(_, path)| path)
}

/// Autoload is a matter of one Python's installed packages, so that Python does it.
fn autoload(python: Python, verb: Autoload) -> std::io::Error {
    const PROGRAM: &str = "\
import sys
try:
    from hotspur._autoload import main
except ImportError:
    sys.exit(f'hotspur: autoload needs Hotspur to be installed in {sys.executable}; '
             f'to install it: {sys.executable} -m pip install {sys.argv[2]}')
main(sys.argv[1])
";
    let arguments = ["-P", "-c", PROGRAM, verb.name(), SOURCE].map(OsString::from);
    start::exec(&python.executable, None, &arguments, None)
}
