//! The optimizer, between the recorder and the engines; and which of its passes run.
//!
//! The environment variable `HOTSPUR_PASSES`, and the API by the name `passes`, say which: see [`PassSet::parse`]. The text of
//! what was recorded stays available beside that of what became of it.

use crate::exits::Exit;
use crate::params::Parameter;
use core::sync::atomic::{AtomicU32, Ordering};
use hotspur_ir::{AbortReason, Superblock};
use hotspur_opt::PassSet;
use hotspur_recorder::{Constants, Object, Trace};
use std::time::{Duration, Instant};

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

/// What it takes to make of a recording what an executor executes, in whatever thread.
#[derive(Debug)]
pub(crate) struct Job {
    superblock: Superblock,
    constants: Constants,
    passes: PassSet,
    verifies: bool,
}

/// What became of a recording.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// What is executed.
    pub superblock: Superblock,
    /// Its constants, by [`hotspur_ir::ObjRef`].
    pub objects: Vec<Object>,
    /// Its exits, which lead nowhere.
    pub exits: Box<[Exit]>,
    /// Whether any pass was run.
    pub optimized: bool,
    /// What the optimizer took.
    pub time: Duration,
}

// SAFETY: the constants are addresses, which nobody looks behind, and the exits refer to nothing yet.
unsafe impl Send for Prepared {}

impl Job {
    /// # Safety
    /// GIL held, and what the trace refers to is alive.
    pub(crate) unsafe fn of(trace: &Trace) -> Job {
        Job {
            superblock: trace.superblock.clone(),
            // SAFETY: as the caller promises.
            constants: unsafe { Constants::of(trace) },
            passes: passes(),
            verifies: Parameter::Verify.get() != 0,
        }
    }

    /// The same without the optimizer.
    pub(crate) fn without_passes(self) -> Job {
        Job { passes: PassSet::NONE, ..self }
    }

    /// Runs the optimizer.
    ///
    /// # Errors
    /// The verifier does not accept what came of it.
    pub(crate) fn run(self) -> Result<Prepared, AbortReason> {
        let Job { superblock, constants, passes, verifies } = self;
        let began = Instant::now();
        let optimized = passes != PassSet::NONE;
        let superblock = if optimized { hotspur_opt::optimize(superblock, &constants, passes) } else { superblock };
        if verifies && let Err(problems) = hotspur_ir::verify(&superblock) {
            debug_assert!(false, "{problems:?}");
            return Err(AbortReason::VerifierFailed);
        }
        let time = began.elapsed();
        Ok(Prepared { exits: Exit::all(&superblock), objects: constants.into_objects(), superblock, optimized, time })
    }
}
