//! What tier 2 did so far in this process. Counting is an addition to a word, so it is always on. What happens most often, runs and
//! exits, is counted by executors; these numbers are added up when somebody asks, and when an executor is freed.

use core::cell::UnsafeCell;
use hotspur_ir::{AbortReason, ExitReason, InvalidationReason};

/// Numbers since the process started.
#[derive(Clone, Debug)]
pub struct Stats {
    /// Recordings started.
    pub traces_started: u64,
    /// Recordings that became executors.
    pub traces_finished: u64,
    /// Recordings given up, by reason.
    pub traces_aborted: [u64; AbortReason::COUNT],
    /// Places that are recorded no more, since it failed too often there.
    pub places_given_up: u64,
    /// Executors made.
    pub executors_created: u64,
    /// Executors freed.
    pub executors_freed: u64,
    /// Executors made invalid, by reason.
    pub executors_invalidated: [u64; InvalidationReason::COUNT],
    /// Sweeps.
    pub sweeps: u64,
    /// Entries from tier 1.
    pub entries: u64,
    /// Executors run: entries, and passages from one to another.
    pub runs: u64,
    /// Exits, by reason, to another executor.
    pub exits_linked: [u64; ExitReason::COUNT],
    /// Exits, by reason, to tier 1.
    pub exits_cold: [u64; ExitReason::COUNT],
    /// Trials that executors have won, and lost: see [`crate::trial`].
    pub trials_won: u64,
    /// See `trials_won`.
    pub trials_lost: u64,
    /// Passages made: machine code that leads on from an exit.
    pub passages: u64,
    /// How often machine code has shown its frames to other code.
    pub frames_shown: u64,
    /// Micro-ops that executors have executed, of their optimized superblocks.
    pub micro_ops: u64,
    /// Instructions of CPython that executors stood for, as far as they were executed completely.
    pub instructions: u64,
    /// Instructions that tier 1 and executors have executed while both were counted, until that was last switched off.
    counted_before: [u64; 2],
    /// What both had executed when counting was last switched on, if it is on.
    counting_since: Option<[u64; 2]>,
    /// Time spent on optimizing recordings, in nanoseconds.
    pub optimize_nanoseconds: u64,
    /// Time spent on compiling machine code that was installed, in whatever thread, in nanoseconds.
    pub compile_nanoseconds: u64,
    /// Time for which making executors of recordings has held up the program, in nanoseconds.
    pub compile_gil_nanoseconds: u64,
    /// Time between the end of a recording and the installation of its code, for code made in the background, in nanoseconds.
    pub install_delay_nanoseconds: u64,
    /// Micro-ops that were compiled to machine code.
    pub micro_ops_compiled: u64,
    /// Machine code that exists, in bytes.
    pub code_bytes: u64,
}

impl Stats {
    const ZERO: Stats = Stats {
        traces_started: 0,
        traces_finished: 0,
        traces_aborted: [0; AbortReason::COUNT],
        places_given_up: 0,
        executors_created: 0,
        executors_freed: 0,
        executors_invalidated: [0; InvalidationReason::COUNT],
        sweeps: 0,
        entries: 0,
        runs: 0,
        exits_linked: [0; ExitReason::COUNT],
        exits_cold: [0; ExitReason::COUNT],
        trials_won: 0,
        trials_lost: 0,
        passages: 0,
        frames_shown: 0,
        micro_ops: 0,
        instructions: 0,
        counted_before: [0; 2],
        counting_since: None,
        optimize_nanoseconds: 0,
        compile_nanoseconds: 0,
        compile_gil_nanoseconds: 0,
        install_delay_nanoseconds: 0,
        micro_ops_compiled: 0,
        code_bytes: 0,
    };

    /// Executors that exist, valid or not.
    pub fn executors_alive(&self) -> u64 {
        self.executors_created - self.executors_freed
    }

    /// Instructions that tier 1 and executors have executed while both were counted: while [`Parameter::CountInstructions`] was on.
    ///
    /// [`Parameter::CountInstructions`]: crate::Parameter::CountInstructions
    pub fn counted(&self) -> [u64; 2] {
        let since = self.counting_since.map(|since| {
            let now = self.executed();
            [now[0] - since[0], now[1] - since[1]]
        });
        let now = since.unwrap_or_default();
        [self.counted_before[0] + now[0], self.counted_before[1] + now[1]]
    }

    fn executed(&self) -> [u64; 2] {
        [hotspur_tier1::counters().instructions, self.instructions]
    }

    /// All numbers with their names; those by reason as `<name>.<reason>`, the reasons that occurred.
    pub fn named(&self) -> Vec<(String, u64)> {
        let mut out: Vec<(String, u64)> = [
            ("traces_started", self.traces_started),
            ("traces_finished", self.traces_finished),
            ("places_given_up", self.places_given_up),
            ("executors_created", self.executors_created),
            ("executors_freed", self.executors_freed),
            ("executors_alive", self.executors_alive()),
            ("sweeps", self.sweeps),
            ("entries", self.entries),
            ("runs", self.runs),
            ("trials_won", self.trials_won),
            ("trials_lost", self.trials_lost),
            // SAFETY: whoever asks for statistics holds the GIL.
            ("resting", u64::from(unsafe { crate::trial::is_resting() })),
            ("passages", self.passages),
            ("frames_shown", self.frames_shown),
            ("micro_ops", self.micro_ops),
            ("instructions", self.instructions),
            ("counted_tier1", self.counted()[0]),
            ("counted_tier2", self.counted()[1]),
            ("optimize_nanoseconds", self.optimize_nanoseconds),
            ("compile_nanoseconds", self.compile_nanoseconds),
            ("compile_gil_nanoseconds", self.compile_gil_nanoseconds),
            ("install_delay_nanoseconds", self.install_delay_nanoseconds),
            ("micro_ops_compiled", self.micro_ops_compiled),
            ("executors_pending", crate::pending::len() as u64),
            ("code_bytes", self.code_bytes),
        ]
        .map(|(name, value)| (name.to_string(), value))
        .into();
        let mut group = |name: &str, reasons: Vec<(&str, u64)>| {
            out.push((name.into(), reasons.iter().map(|r| r.1).sum()));
            out.extend(reasons.into_iter().filter(|r| r.1 > 0).map(|(r, n)| (format!("{name}.{r}"), n)));
        };
        let aborted = AbortReason::ALL.iter().map(|&r| (r.name(), self.traces_aborted[r as usize]));
        group("traces_aborted", aborted.collect());
        let invalidated = InvalidationReason::ALL.iter().map(|&r| (r.name(), self.executors_invalidated[r as usize]));
        group("executors_invalidated", invalidated.collect());
        let by_exit = |counts: &[u64; ExitReason::COUNT]| {
            ExitReason::ALL.iter().map(|&r| (r.name(), counts[r as usize])).collect::<Vec<_>>()
        };
        group("exits_linked", by_exit(&self.exits_linked));
        group("exits_cold", by_exit(&self.exits_cold));
        out
    }
}

struct Global(UnsafeCell<Stats>);
// SAFETY: only touched with the GIL held, and no reference outlives the function that asked for it.
unsafe impl Sync for Global {}
static STATS: Global = Global(UnsafeCell::new(Stats::ZERO));

/// Changes the numbers.
///
/// # Safety
/// GIL held; `change` calls nothing that counts.
#[inline(always)]
pub unsafe fn count(change: impl FnOnce(&mut Stats)) {
    // SAFETY: as the caller promises.
    change(unsafe { &mut *STATS.0.get() });
}

/// The numbers as they are.
///
/// # Safety
/// GIL held.
pub unsafe fn snapshot() -> Stats {
    // SAFETY: as the caller promises.
    let mut stats = unsafe { (*STATS.0.get()).clone() };
    crate::graph::each(|executor| executor.account(&mut stats));
    stats
}

/// Instructions of both tiers are counted from now on, or not any more.
///
/// # Safety
/// GIL held.
pub(crate) unsafe fn counting(on: bool) {
    // SAFETY: as the caller promises.
    unsafe {
        let now = snapshot();
        count(|s| {
            s.counted_before = now.counted();
            s.counting_since = on.then(|| now.executed());
        });
    }
}
