//! The engine: the shared library that CPython loads as `hotspur._hotspur`.
//!
//! **Architecture invariant.** This package is the only one that knows how Hotspur gets into a process and onto the
//! frame-evaluation hook. The interpreter behind the hook is `hotspur-tier1`; what runs where is decided there.

mod executors;
mod hook;
mod inspect;
mod launch;
mod record;
mod recording;
mod report;
mod rerun;
mod shutdown;
mod views;

use hotspur_launcher::command_line::{self, Action};
use hotspur_launcher::handoff::Handoff;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::ffi::OsString;
use std::path::PathBuf;

/// The engine of Hotspur. Import `hotspur` instead.
#[pymodule]
mod _hotspur {
    #[pymodule_export]
    use super::{autostart, disable, enable, info, is_enabled, run};

    #[pymodule_export]
    use super::executors::{
        attach_superblock, executor_is_valid, executors, instructions_executed, parameter_table, parameters,
        parse_superblock, pause_compiler, reasons, remove_executors, sweep_executors, tier2_stats, version,
        wait_for_compiler,
    };

    #[pymodule_export]
    use super::inspect::{disassemble, instructions, record};

    #[pymodule_export]
    use super::record::superblock;

    #[pymodule_export]
    use super::recording::record_traces;

    #[allow(non_upper_case_globals, reason = "the name that Python knows")]
    #[pymodule_export]
    const __version__: &str = hotspur_launcher::VERSION;
}

/// Makes all Python code that starts from now on run in Hotspur.
///
/// Returns whether Hotspur is enabled now. If this interpreter is not supported, a warning on standard error says why.
/// HOTSPUR=0 in the environment makes this do nothing.
#[pyfunction]
fn enable(py: Python<'_>) -> bool {
    hook::enable_or_warn(py, hook::Config::from_environment())
}

/// Makes all Python code that starts from now on run in CPython's own interpreter again.
///
/// Frames that are running already finish where they are.
#[pyfunction]
fn disable(py: Python<'_>) {
    hook::disable(py);
}

/// Whether Hotspur is enabled in this interpreter.
#[pyfunction]
fn is_enabled(py: Python<'_>) -> bool {
    hook::is_enabled(py)
}

/// What there is to know about Hotspur in this process, as a dict.
#[pyfunction]
fn info(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let state = hook::describe(py);
    let info = PyDict::new(py);
    info.set_item("version", hotspur_launcher::VERSION)?;
    info.set_item("enabled", state.enabled)?;
    info.set_item("reason", state.reason)?;
    info.set_item("python", hook::python_release())?;
    info.set_item("tiers", state.tiers)?;
    info.set_item("stress", state.stress)?;
    info.set_item("layout", state.layout)?;
    let counters = PyDict::new(py);
    for (name, value) in hook::counters() {
        counters.set_item(name, value)?;
    }
    info.set_item("counters", counters)?;
    Ok(info)
}

/// What the `.pth` file of `hotspur autoload on` calls at every start of the interpreter.
#[pyfunction]
fn autostart(py: Python<'_>) {
    // A process that the launcher has started with another build of the engine belongs to that one; one that was started
    // with `-X perf` belongs to perf, as its user wished. A sub-interpreter runs on stock: nothing to warn of each time.
    if !launch::another_engine_is_preloaded() && !hook::perf_has_it(py) && hook::is_main_interpreter(py) {
        hook::enable_or_warn(py, hook::Config::from_environment());
    }
}

/// Runs a command line of `hotspur` in this process, instead of the program that is running now. Does not return, except
/// with the verb of `hotspur autoload`, which is Python code.
///
/// `package` is the folder of the Python package.
#[pyfunction]
fn run(py: Python<'_>, package: PathBuf, arguments: Vec<OsString>) -> PyResult<&'static str> {
    let line = match command_line::parse(arguments) {
        Ok(line) => line,
        Err(error) => {
            eprintln!("hotspur: {error}\nTry `hotspur --help` for more information.");
            rerun::leave(py, hotspur_launcher::EXIT_USAGE)
        }
    };
    let (options, program) = match line.action {
        Action::Help => {
            print!("{}", command_line::HELP);
            rerun::leave(py, 0)
        }
        Action::Version => {
            println!("Hotspur {}", hotspur_launcher::VERSION);
            rerun::leave(py, 0)
        }
        Action::Autoload(verb) => return Ok(verb.name()),
        Action::Run { options, program } => (options, program),
    };
    let original: Vec<OsString> = py.import("sys")?.getattr("orig_argv")?.extract()?;
    let mut original = original.into_iter();
    let program_name = original.next().unwrap_or_else(|| "python".into());
    let mut arguments = command_line::python_options(original);
    // Flags may also stand in one word with the program: `-Ic`.
    let same_flags = options.is_empty() && command_line::python_options(program.iter().cloned()).is_empty();
    arguments.extend(options);
    arguments.extend(program);

    let handoff = Handoff {
        engine: rerun::own_file().unwrap_or_default(),
        package,
        choices: line.hotspur.choices,
        ..Handoff::default()
    };
    if let Some(python) = line.hotspur.python {
        return Err(rerun::other_python(py, python, handoff, &arguments));
    }
    if same_flags {
        Err(rerun::run_main(py, &handoff, &program_name, &arguments))
    } else {
        // Python's flags are fixed once it runs: start it again, with the flags.
        let executable: PathBuf = py.import("sys")?.getattr("executable")?.extract()?;
        Err(rerun::start(py, &executable, Some(&program_name), handoff, &arguments).into())
    }
}
