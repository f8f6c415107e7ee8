//! `HOTSPUR_REPORT=DIR`: each process leaves a file that says what Hotspur did in it.
//!
//! A test harness proves with these files that its runs were runs under Hotspur.

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyDict};
use std::ffi::{CStr, OsString};
use std::fmt::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// Written when it is dropped, which is when the interpreter's own dictionary goes.
///
/// That is late (all modules are gone), and unlike functions that are registered with `atexit` it cannot be taken away
/// by the program.
struct Report {
    folder: PathBuf,
    arguments: Vec<OsString>,
    /// An address, so that this is `Send`; what it points to lives longer than its dictionary.
    interpreter: usize,
}

const NAME: &CStr = c"hotspur.report";

/// Arranges for a report at the end of this interpreter, if one is wanted.
pub fn install(py: Python<'_>) {
    let Some(folder) = std::env::var_os("HOTSPUR_REPORT").filter(|folder| !folder.is_empty()) else {
        return;
    };
    // Without a report Hotspur works as well.
    if let Err(error) = try_install(py, folder.into()) {
        error.write_unraisable(py, None);
    }
}

fn try_install(py: Python<'_>, folder: PathBuf) -> PyResult<()> {
    // SAFETY: we hold the GIL; the dictionary is borrowed, or null if there is none.
    let (interpreter, dict) = unsafe {
        let interpreter = ffi::PyInterpreterState_Get();
        let dict = ffi::PyInterpreterState_GetDict(interpreter);
        (interpreter, Bound::from_borrowed_ptr_or_opt(py, dict))
    };
    let Some(dict) = dict else { return Ok(()) };
    let dict = dict.cast_into::<PyDict>()?;
    let key = NAME.to_string_lossy();
    if dict.contains(&*key)? {
        return Ok(());
    }
    let report = Report {
        // The program may change its folder.
        folder: std::path::absolute(folder)?,
        arguments: py.import("sys")?.getattr("orig_argv")?.extract()?,
        interpreter: interpreter.addr(),
    };
    // Exposed so that it can be turned back into a pointer when the report is written.
    interpreter.expose_provenance();
    let capsule = PyCapsule::new_with_value_and_destructor(py, report, NAME, |report, _| report.write())?;
    dict.set_item(&*key, capsule)
}

impl Report {
    fn write(&self) {
        let interpreter = std::ptr::with_exposed_provenance_mut(self.interpreter);
        // SAFETY: this runs when the interpreter's dictionary is cleared, with the GIL held and the interpreter alive.
        let installed = unsafe { crate::hook::is_installed(interpreter) };
        let mut text = String::from("{\"argv\": [");
        for (index, argument) in self.arguments.iter().enumerate() {
            if index > 0 {
                text.push_str(", ");
            }
            quote(&mut text, &String::from_utf8_lossy(argument.as_bytes()));
        }
        let _ = write!(text, "], \"hook_still_installed\": {installed}, \"counters\": {{");
        for (index, (name, value)) in crate::hook::counters().into_iter().enumerate() {
            if index > 0 {
                text.push_str(", ");
            }
            quote(&mut text, name);
            let _ = write!(text, ": {value}");
        }
        text.push_str("}}\n");
        let path = self.folder.join(format!("{}.json", std::process::id()));
        // Written beside, and then renamed: whoever is killed meanwhile leaves no half report.
        let beside = path.with_extension("part");
        if let Err(error) = std::fs::write(&beside, text).and_then(|()| std::fs::rename(&beside, &path)) {
            eprintln!("hotspur: cannot write {}: {error}", path.display());
        }
    }
}

fn quote(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            control if control < ' ' => {
                let _ = write!(out, "\\u{:04x}", u32::from(control));
            }
            other => out.push(other),
        }
    }
    out.push('"');
}
