//! What the user wants to see of traces, passed on to tier 2.

use hotspur_launcher::views::{DumpStage, Views};
use hotspur_tier2::observe::{self, Destination, Options, Stages};
use hotspur_tier2::params::Parameter;
use std::ffi::OsStr;

/// `-`, and what stands for yes in other variables, is standard error.
fn destination(text: &OsStr) -> Destination {
    if text == "-" || text == "1" { Destination::StandardError } else { Destination::File(text.into()) }
}

/// Shows what the user wants to see from now on.
///
/// # Errors
/// A message for the user.
pub fn start(views: &Views) -> Result<(), String> {
    for (view, parameter) in [(&views.gdb, Parameter::Gdb), (&views.perf, Parameter::PerfMap)] {
        if view.as_ref().is_some_and(|value| value != "0") {
            parameter.set(1)?;
        }
    }
    let log = views.log.as_deref().filter(|&text| text != "0").map(destination);
    let names = views.dump.as_deref().map_or_else(|| Ok(Vec::new()), DumpStage::list);
    let names = names.map_err(|name| format!("HOTSPUR_DUMP: there is no {name:?}"))?;
    if log.is_none() && names.is_empty() {
        return Ok(());
    }
    let mut stages = Stages::default();
    for name in names {
        match name {
            DumpStage::Bytecode => stages.bytecode = true,
            DumpStage::Recorded => stages.recorded = true,
            DumpStage::Optimized => stages.optimized = true,
            DumpStage::Cranelift => stages.cranelift = true,
            DumpStage::Assembly => stages.assembly = true,
            DumpStage::Exits => stages.exits = true,
        }
    }
    let functions = views.dump_function.as_deref().map(OsStr::to_string_lossy).unwrap_or_default();
    let options = Options {
        log,
        stages,
        functions: functions.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect(),
        dump: views.dump_to.as_deref().map_or(Destination::StandardError, destination),
    };
    // SAFETY: whoever enables Hotspur holds the GIL.
    unsafe { observe::observe(options) }
}
