//! The parameters of tier 2: one table. (The one that is no number, `passes`, is in [`crate::optimize`].)
//!
//! Each can be set by the environment variable `HOTSPUR_<NAME>` (in capitals) when the process starts, and by name through the
//! API while it runs. In stress mode nothing is made in the background unless the environment asks for it. What code that was decoded before counts with, and executors that exist, are not touched by a change.

use core::sync::atomic::{AtomicU32, Ordering};

/// What the table says of a parameter.
#[derive(Debug, Clone, Copy)]
pub struct Info {
    /// Its name.
    pub name: &'static str,
    /// Its value if nobody sets it.
    pub default: u32,
    /// What it counts.
    pub unit: &'static str,
    /// The smallest and the largest value.
    pub range: (u32, u32),
    /// What it does.
    pub doc: &'static str,
}

macro_rules! parameters {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:ident, $default:literal $unit:literal, $min:literal..=$max:literal;)*) => {
        /// A parameter.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum Parameter { $($(#[doc = $doc])+ $variant),* }

        impl Parameter {
            /// Every parameter.
            pub const ALL: &[Parameter] = &[$(Parameter::$variant),*];

            /// Its row.
            pub const fn info(self) -> &'static Info {
                match self {
                    $(Parameter::$variant => const { &Info {
                        name: stringify!($name),
                        default: $default,
                        unit: $unit,
                        range: ($min, $max),
                        doc: concat!($($doc, "\n"),+),
                    } },)*
                }
            }
        }

        const _: () = { $(assert!($min <= $default && $default <= $max);)* };

        static VALUES: [AtomicU32; Parameter::ALL.len()] = [$(AtomicU32::new($default)),*];
    };
}

parameters! {
    /// How often a loop goes round before its body is recorded.
    BackEdgeThreshold = back_edge_threshold, 1000 "rounds", 1..=4095;
    /// How often a function is called before it is recorded from its beginning.
    EntryThreshold = entry_threshold, 2000 "calls", 1..=4095;
    /// How often a side exit is taken before execution is recorded from there.
    ExitThreshold = exit_threshold, 1000 "exits", 1..=4095;
    /// In how much processor time a loop has to go round, a function to be called, or a side exit to be taken, that often: otherwise it is
    /// counted anew. 0: any. Thresholds below 100 are not held against it.
    HeatTime = heat_time, 200 "ms", 0..=1000000;
    /// How often a side exit leads to another executor before machine code is made for that.
    PassageThreshold = passage_threshold, 8 "exits", 0..=4095;
    /// How often a side exit leads to tier 1 before machine code is made for that.
    WayOutThreshold = way_out_threshold, 2000 "exits", 0..=1000000;
    /// Backoff exponent that counters begin with: after a failed recording, 2^(exponent + 1) - 1 executions go by before the next one.
    Backoff = backoff, 9 "power of two", 1..=12;
    /// Recordings that may fail at one place before it is left alone for good.
    Attempts = attempts, 6 "recordings", 1..=255;
    /// Executors on top of each other that begin at the same instruction, each where a guard of the one before failed before anything was
    /// done: further alternatives are left to tier 1.
    Alternatives = alternatives, 12 "executors", 1..=4095;
    /// For how many kinds of operands of an instruction alternatives are recorded. What has met more is left to tier 1, in traces as well.
    Kinds = kinds, 4 "kinds", 1..=4095;
    /// Micro-ops in a trace.
    TraceLength = trace_length, 2000 "micro-ops", 16..=65535;
    /// Micro-ops of a trace after which it calls functions that have executors, instead of taking them in, and ends where the function returns at
    /// whose entry it began.
    InlinedLength = inlined_length, 1000 "micro-ops", 0..=65535;
    /// Frames on top of each other in a trace.
    InlinedFrames = inlined_frames, 24 "frames", 1..=200;
    /// Exits of a trace.
    Exits = exits, 3000 "exits", 1..=65535;
    /// Slots of all frames in a snapshot.
    SnapshotSlots = snapshot_slots, 1000 "slots", 16..=65535;
    /// Constants of a trace.
    Constants = constants, 2000 "objects", 1..=65535;
    /// Executors that exist at one time.
    Executors = executors, 5000 "executors", 1..=1000000;
    /// Memory for machine code.
    CodeBytes = code_bytes, 67108864 "bytes", 65536..=2147483647;
    /// Executors that are made between two sweeps, which remove those that were not entered in between.
    SweepInterval = sweep_interval, 256 "executors", 1..=1000000;
    /// Entries of an executor from tier 1, and ops that cost more than an instruction, after which it is looked whether it is worth it.
    LosingInterval = losing_interval, 8000 "entries", 1..=1000000000;
    /// How many instructions an executor has to execute each time, if it nearly always leaves for tier 1, to be worth it.
    LosingLength = losing_length, 8 "instructions", 0..=10000;
    /// What an op costs that has tier 1 execute an instruction, beyond that.
    ExecuteCost = execute_cost, 4 "instructions", 0..=10000;
    /// What it costs to show frames to other code.
    PublishCost = publish_cost, 20 "instructions", 0..=10000;
    /// How many instructions an executor has to execute for each of its micro-ops to have been worth making.
    Worth = worth, 10000 "instructions", 0..=1000000;
    /// How long a slice of a trial is, which finds out whether the program is faster with executors than without. 0: no trials.
    TrialSlice = trial_slice, 10 "ms", 0..=10000;
    /// Nested C calls, as CPython counts them, beyond which no executor is entered: each takes C stack.
    NestedCalls = nested_calls, 1000 "calls", 0..=10000;
    /// Nested C calls, as CPython counts them, beyond which functions that executors call without knowing which are not begun on the C stack.
    InnerCalls = inner_calls, 100 "calls", 0..=10000;
    /// For tests that compile at first sight: one of so many places is recorded from, the others are left to tier 1. Which ones they
    /// are follows from the code's name, the position in it, and `sample_seed`.
    Sample = sample, 1 "places", 1..=65535;
    /// Which places are recorded from if not all are: as many seeds as `sample` says, from 0, cover all.
    SampleSeed = sample_seed, 0 "seed", 0..=65535;
    /// For tests: for so many entries of executors all of these stop at their next check of validity, for as many they go on, and so on. 0: they go on.
    StopEvery = stop_every, 0 "entries", 0..=1000000;
    /// For tests: one guard in so many fails although it holds, where that does no harm. 0: none. Machine code that exists already stays as it is.
    FailEvery = fail_every, 0 "guards", 0..=1000000;
    /// Whether superblocks are verified before they become executors.
    Verify = verify, 1 "switch", 0..=1;
    /// Whether traces are optimized and compiled by a thread of its own, while tier 1 goes on; otherwise at once.
    Background = background, 1 "switch", 0..=1;
    /// How much processor time that thread may take in any case.
    CompileTime = compile_time, 300 "ms", 0..=1000000000;
    /// How much it may take beyond that, for each 100 of the rest of the process. What waits is compiled as time goes by, what is used most
    /// first. It is twice as much once a trial has shown that executors are worth it, and a tenth while they rest.
    CompileShare = compile_share, 15 "per cent", 1..=1000000;
    /// Whether machine code is entered in the map that `perf` reads, `/tmp/perf-<pid>.map`.
    PerfMap = perf_map, 0 "switch", 0..=1;
    /// Whether gdb is told of machine code, so that it names executors in backtraces.
    Gdb = gdb, 0 "switch", 0..=1;
    /// Whether each instruction that tier 1 executes is counted, for statistics. Slow.
    CountInstructions = count_instructions, 0 "switch", 0..=1;
}

impl Parameter {
    /// Its value.
    pub fn get(self) -> u32 {
        VALUES[self as usize].load(Ordering::Relaxed)
    }

    /// The parameter with this name.
    pub fn from_name(name: &str) -> Option<Parameter> {
        Parameter::ALL.iter().copied().find(|p| p.info().name == name)
    }

    /// Sets its value.
    ///
    /// # Errors
    /// A message for the user if the value is out of range.
    pub fn set(self, value: i64) -> Result<(), String> {
        let info = self.info();
        let (min, max) = info.range;
        let fitting = u32::try_from(value).ok().filter(|v| (min..=max).contains(v));
        let Some(value) = fitting else {
            return Err(format!("{} must be from {min} to {max} {}, and not {value}", info.name, info.unit));
        };
        VALUES[self as usize].store(value, Ordering::Relaxed);
        if self == Parameter::CountInstructions {
            // SAFETY: tier 1 is initialized before tier 2, and callers hold the GIL.
            unsafe {
                hotspur_tier1::count_instructions(value != 0);
                crate::stats::counting(value != 0);
            }
        }
        // SAFETY: callers hold the GIL.
        unsafe { crate::trial::parameters_changed() };
        Ok(())
    }

    /// The environment variable that sets it.
    pub fn variable(self) -> String {
        format!("HOTSPUR_{}", self.info().name.to_uppercase())
    }
}

/// Sets a parameter by name.
///
/// # Errors
/// A message for the user if there is no such parameter, or the value is out of range.
pub fn set(name: &str, value: i64) -> Result<(), String> {
    Parameter::from_name(name).ok_or_else(|| format!("there is no parameter {name:?}"))?.set(value)
}

/// Sets what the environment says.
///
/// # Errors
/// A message for the user for each variable that is not right; the others count.
pub fn set_from_environment() -> Result<(), Vec<String>> {
    let mut errors = Vec::new();
    for &parameter in Parameter::ALL {
        let variable = parameter.variable();
        let Some(value) = std::env::var_os(&variable) else { continue };
        let number = value.to_str().and_then(|v| v.trim().parse::<i64>().ok());
        let set = number.ok_or_else(|| format!("{value:?} is no number")).and_then(|n| parameter.set(n));
        errors.extend(set.err().map(|message| format!("{variable}: {message}")));
    }
    errors.extend(crate::optimize::set_from_environment().err());
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}
