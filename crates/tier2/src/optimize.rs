//! The optimizer, between the recorder and the engines; and which of its passes run.
//!
//! The environment variable `HOTSPUR_PASSES`, and the API by the name `passes`, say which: see [`PassSet::parse`]. The text of
//! what was recorded stays available beside that of what became of it.

use crate::stats;
use core::sync::atomic::{AtomicU32, Ordering};
use hotspur_ir::Superblock;
use hotspur_opt::PassSet;
use hotspur_recorder::{Constants, Trace};
use std::time::Instant;

static PASSES: AtomicU32 = AtomicU32::new(PassSet::ALL.bits());

/// The passes that run on traces that are recorded.
pub fn passes() -> PassSet {
    PassSet::from_bits(PASSES.load(Ordering::Relaxed))
}

/// Sets them. What was recorded before is not touched.
pub fn set_passes(passes: PassSet) {
    PASSES.store(passes.bits(), Ordering::Relaxed);
}

/// Sets what the environment says.
///
/// # Errors
/// A message for the user.
pub fn set_from_environment() -> Result<(), String> {
    const VARIABLE: &str = "HOTSPUR_PASSES";
    let Some(value) = std::env::var_os(VARIABLE) else { return Ok(()) };
    let parsed = value.to_str().ok_or_else(|| format!("{value:?} is no text")).and_then(PassSet::parse);
    parsed.map(set_passes).map_err(|message| format!("{VARIABLE}: {message}"))
}

/// Optimizes a trace. Answers its superblock as it was recorded, if any pass was run.
///
/// # Safety
/// GIL held, and what the trace refers to is alive.
pub(crate) unsafe fn optimize(trace: &mut Trace) -> Option<Superblock> {
    let passes = passes();
    if passes == PassSet::NONE {
        return None;
    }
    let began = Instant::now();
    let recorded = trace.superblock.clone();
    // SAFETY: as the caller promises.
    let constants = unsafe { Constants::of(trace) };
    let optimized = hotspur_opt::optimize(recorded.clone(), &constants, passes);
    trace.objects = constants.into_objects();
    trace.superblock = optimized;
    let spent = began.elapsed().as_nanos() as u64;
    // SAFETY: as the caller promises.
    unsafe { stats::count(|s| s.optimize_nanoseconds += spent) };
    Some(recorded)
}
