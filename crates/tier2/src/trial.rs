//! Trials: whether the program is faster with executors than without.
//!
//! [`crate::losing`] finds single executors that lose. Some programs lose although none of theirs stands out: much code that is lukewarm, of many
//! types, whose traces are left soon, or never long enough in a cache to be executed faster than tier 1 executes them. Nothing that could be
//! counted beforehand tells these from programs that gain. So it is tried.
//!
//! # Method
//! Progress is counted in ticks ([`hotspur_tier1::ticks`]), which both tiers execute the same number of for the same work, and divided by
//! the processor time that the program takes, compiling in the background excluded. A trial is a sequence of slices of some milliseconds,
//! with executors and without, in the order on, off, off, on, so that a steady change of what the program does cancels out. Each two
//! neighbours make a sample: the logarithm of the ratio of their speeds. There are as many as it takes to be sure on which side of
//! [`LIMIT`] the median is; a program that gains much is done after two. Slices are longer where there are many executors, so that going through
//! these does not count.
//!
//! # What follows
//! If executors win they go on, and the next trial comes after as much time again as the program has run, so trials take a small share of all time. If they
//! lose they *rest*: tier 1 executes everything. They are let run one slice in [`REST`], in which code becomes hot and is recorded as
//! ever; what these slices show is compared with the slice before, and when executors have become worth it (the program does something else
//! now) the rest is over.
//!
//! While a program warms up, its traces are recorded and do not yet lead to each other. Samples in which something was recorded or installed do not count until
//! [`WARM`].
//!
//! Nothing but speed depends on any of this. There are no trials where somebody wants to see executors run: in the tier 2 interpreter, which is
//! slower than tier 1, with thresholds at which everything is compiled at first sight, and while instructions are counted.

use crate::jit::background::{self, Worth, program_time};
use crate::params::Parameter;
use crate::{graph, heat, jit, pending, stats};
use core::cell::{Cell, UnsafeCell};
use hotspur_tier1::context::set_pace;
use hotspur_tier1::ticks::{self, Pace};
use std::time::{Duration, Instant};

/// Executors lose if the program is slower with them than this, as a logarithm: 2 %.
const LIMIT: f64 = -0.02;
/// And if that is not certain in the end, it has to be slower by so much more.
const DOUBT: f64 = 0.01;
/// Executors that rest are worth it again from here on.
const WORTH_IT: f64 = 0.03;
/// Samples of a trial, at least and at most.
const SAMPLES: (usize, usize) = (6, 24);
/// Samples that are looked at together while executors rest.
const LOOKS: usize = 4;
/// Two samples from here on decide for executors.
const CLEAR: f64 = 0.3;
/// While executors rest, one slice of so many is theirs: at first, and if that goes on showing that they lose.
const REST: u32 = 25;
const MOST_REST: u32 = 100;
/// After a rest, the next trial comes soon.
const AFTER_REST: u64 = 1_000_000_000;
/// Samples in which something was recorded, after which a trial is put off.
const PATIENCE: u32 = 12;
/// The first trial, and until when only samples count in which nothing was recorded; nanoseconds of processor time.
const FIRST: u64 = 700_000_000;
const WARM: u64 = 2_000_000_000;
/// Between two trials there is at most so much time.
const LONGEST: u64 = 60_000_000_000;
/// Ticks in a slice, at least.
const FEW: u64 = 50;
/// Ticks, or events in executors, until the clock is looked at: during trials, and otherwise.
const OFTEN: u32 = 64;
const SELDOM: u32 = 1024;
/// While executors rest, the clock is looked at so many times in a slice without them, if the program goes on as it has begun; and there are no more
/// than so many ticks in between.
const PEEKS: u64 = 8;
const MOST_TICKS: u64 = 2048;
/// For each executor, a slice takes so many nanoseconds more.
const PER_EXECUTOR: u64 = 4_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Executors run, and nothing is counted.
    Free,
    /// A trial is under way.
    Trial,
    /// Executors rest.
    Rest,
}

/// What was found out in a trial. The samples are sorted: that a garbage collection took place in one slice of a pair must not count for more than
/// that this pair is on one side, so it is their median that is asked for.
#[derive(Debug)]
struct Samples {
    sorted: Vec<f64>,
    /// How many did not count.
    unclean: u32,
}

impl Samples {
    const NONE: Samples = Samples { sorted: Vec::new(), unclean: 0 };

    fn add(&mut self, sample: f64) {
        let at = self.sorted.partition_point(|&x| x < sample);
        self.sorted.insert(at, sample);
    }

    fn len(&self) -> usize {
        self.sorted.len()
    }

    /// The median (the lower of two).
    fn median(&self) -> f64 {
        self.sorted.get(self.len().saturating_sub(1) / 2).copied().unwrap_or(0.0)
    }

    /// An interval that the true median is in, with 95 % certainty or more for six samples and more: so many of the lowest and of the highest are outside.
    /// (From the binomial distribution, as in the sign test.)
    fn interval(&self) -> (f64, f64) {
        let n = self.len();
        let outside = (n as f64 / 2.0 - (n as f64).sqrt()).max(1.0) as usize;
        (self.sorted[outside - 1], self.sorted[n - outside])
    }

    /// Whether executors win a trial, if that can be said.
    fn verdict(&self) -> Option<bool> {
        let (least, most) = SAMPLES;
        let n = self.len();
        if n >= 2 && self.sorted[0] > CLEAR {
            return Some(true);
        }
        if n < least {
            return None;
        }
        let (low, high) = self.interval();
        if low > LIMIT {
            Some(true)
        } else if high < LIMIT {
            Some(false)
        } else {
            // If they lose, it is not by much.
            (n >= most).then_some(self.median() > LIMIT - DOUBT)
        }
    }
}

/// Where a trial stands.
#[derive(Debug)]
struct State {
    phase: Phase,
    /// Whether executors run in this slice.
    on: bool,
    /// A slice's number, from 0.
    slice: u32,
    /// The time for the slice is up; it ends with the next tick of tier 1, when executors have been left.
    ending: bool,
    /// When it is looked at the slice next.
    look_at: Option<Instant>,
    /// Processor time, ticks of tier 1, and recordings, when the slice began.
    began: (u64, u64, u64),
    began_at: Option<Instant>,
    /// Speed in the slice before, as a logarithm, and whether nothing was recorded then.
    before: Option<(f64, bool)>,
    samples: Samples,
    /// While executors rest, one slice of so many is theirs.
    rest: u32,
    /// Processor time at which the next trial begins.
    next: u64,
    tools_active: bool,
}

struct Global(UnsafeCell<State>);
// SAFETY: only touched with the GIL held.
unsafe impl Sync for Global {}
static TRIAL: Global = Global(UnsafeCell::new(State {
    phase: Phase::Free,
    on: true,
    slice: 0,
    ending: false,
    look_at: None,
    began: (0, 0, 0),
    began_at: None,
    before: None,
    samples: Samples::NONE,
    rest: REST,
    next: FIRST,
    tools_active: false,
}));

struct Countdown(Cell<u32>);
// SAFETY: only touched with the GIL held.
unsafe impl Sync for Countdown {}
static COUNTDOWN: Countdown = Countdown(Cell::new(SELDOM));

/// Something happens in executors: from time to time it is looked what time it is.
///
/// # Safety
/// GIL held.
#[inline(always)]
pub(crate) unsafe fn event() {
    let left = COUNTDOWN.0.get() - 1;
    COUNTDOWN.0.set(left);
    if left == 0 {
        // SAFETY: as the caller promises.
        unsafe { (*TRIAL.0.get()).look(false) };
    }
}

/// [`hotspur_tier1::tier2::Tier2::tick`].
///
/// # Safety
/// GIL held, called by tier 1.
pub(crate) unsafe fn tick() {
    let _guard = crate::panics::NoPanic;
    // SAFETY: as the caller promises. The state is not in use: nothing below runs Python code.
    unsafe {
        pending::poll();
        (*TRIAL.0.get()).look(true);
    }
}

/// Tools were switched on or off. While they are on no executor runs.
///
/// # Safety
/// GIL held.
pub(crate) unsafe fn set_tools_active(active: bool) {
    // SAFETY: as the caller promises.
    let state = unsafe { &mut *TRIAL.0.get() };
    state.tools_active = active;
    // What is measured with a tool says nothing.
    state.before = None;
    state.set_going();
}

/// Whether executors rest.
///
/// # Safety
/// GIL held.
pub(crate) unsafe fn is_resting() -> bool {
    // SAFETY: as the caller promises.
    unsafe { (*TRIAL.0.get()).phase == Phase::Rest }
}

/// The process is a forked one, which does something else.
///
/// # Safety
/// GIL held.
pub(crate) unsafe fn forked() {
    // SAFETY: as the caller promises.
    let state = unsafe { &mut *TRIAL.0.get() };
    state.next = FIRST;
    background::set_worth(Worth::Unknown);
    if state.phase != Phase::Free {
        state.be_free();
    }
}

/// Has it looked at soon, whoever executes the program.
fn be_told_often() {
    be_told_after(u64::from(OFTEN));
}

/// Has it looked at after so many ticks of tier 1, or events in executors.
fn be_told_after(ticks: u64) {
    COUNTDOWN.0.set(OFTEN);
    // SAFETY: the GIL is held.
    unsafe { ticks::tell_after(ticks) };
}

/// After how many ticks the clock is to be looked at again, if there were so many in the time taken.
fn ticks_to_skip(done: u64, taken: Duration, left: Duration) -> u64 {
    let expected = u128::from(done) * left.as_nanos() / taken.as_nanos().max(1);
    (expected / u128::from(PEEKS)).clamp(u128::from(OFTEN), u128::from(MOST_TICKS)) as u64
}

/// Whether trials are on. While instructions are counted, threads dispatch through a table that does not count ticks.
fn is_wanted() -> bool {
    Parameter::TrialSlice.get() != 0 && Parameter::CountInstructions.get() == 0
}

/// A parameter was set: a trial that is under way ends if none is wanted any more, for it may not be told of ticks again.
///
/// # Safety
/// GIL held.
pub(crate) unsafe fn parameters_changed() {
    // SAFETY: as the caller promises.
    let state = unsafe { &mut *TRIAL.0.get() };
    if state.phase != Phase::Free && !is_wanted() {
        state.be_free();
    }
}

/// Recordings begun and ended so far.
fn recordings() -> u64 {
    let mut n = 0;
    // SAFETY: the GIL is held.
    unsafe { stats::count(|s| n = s.traces_started + s.traces_finished) };
    n
}

impl State {
    /// Looks what is to be done. `ticked` if tier 1 has counted a tick.
    #[cold]
    #[inline(never)]
    fn look(&mut self, ticked: bool) {
        if self.phase == Phase::Free {
            COUNTDOWN.0.set(SELDOM);
            if is_wanted() && jit::is_on() && !heat::is_forced() && program_time() >= self.next {
                be_told_often();
                self.phase = Phase::Trial;
                self.samples = Samples::NONE;
                self.slice = 0;
                self.begin(true);
            }
            return;
        }
        be_told_often();
        if self.ending {
            if ticked {
                self.end();
            }
            return;
        }
        let now = Instant::now();
        if let Some(at) = self.look_at
            && now < at
        {
            self.be_told_seldom(at - now);
            return;
        }
        let slice = u64::from(Parameter::TrialSlice.get()) * 1_000_000;
        let length = slice + graph::len() as u64 * PER_EXECUTOR;
        let length = if self.phase == Phase::Rest && !self.on { length * u64::from(self.rest - 1) } else { length };
        let taken = program_time().saturating_sub(self.began.0);
        if taken < length {
            let left = Duration::from_nanos(length - taken);
            self.look_at = Some(now + left);
            self.be_told_seldom(left);
            return;
        }
        if self.on {
            // Executors that are running leave.
            graph::set_going(false);
        }
        self.ending = true;
        // SAFETY: the GIL is held.
        unsafe {
            set_pace(Pace::Alone);
            ticks::tell_after(1);
        }
    }

    /// While executors rest, a slice without them is long, and what it costs to be told of ticks is what resting costs.
    fn be_told_seldom(&self, left: Duration) {
        if self.phase != Phase::Rest || self.on {
            return;
        }
        // SAFETY: the GIL is held.
        let done = unsafe { ticks::counted() } - self.began.1;
        let taken = self.began_at.map_or(Duration::ZERO, |at| at.elapsed());
        be_told_after(ticks_to_skip(done, taken, left));
    }

    fn set_going(&self) {
        graph::set_going(self.on && !self.tools_active);
    }

    /// Begins a slice.
    fn begin(&mut self, on: bool) {
        self.on = on;
        self.set_going();
        self.ending = false;
        // SAFETY: the GIL is held.
        unsafe {
            set_pace(if on { Pace::Counted } else { Pace::Alone });
            // What was executed until now does not count.
            graph::new_ticks();
            self.began = (program_time(), ticks::counted(), recordings());
        }
        self.began_at = Some(Instant::now());
        self.look_at = None;
    }

    /// Ends a slice, and begins the next.
    fn end(&mut self) {
        let (cpu, counted, recorded) = self.began;
        let now = program_time();
        // SAFETY: the GIL is held.
        let done = unsafe { ticks::counted() } - counted + graph::new_ticks();
        let taken = now.saturating_sub(cpu);
        if done < FEW || taken == 0 {
            // The program is elsewhere, and what executes its loops does not matter now.
            self.postpone(now, now);
            return;
        }
        let speed = (done as f64 / taken as f64).ln();
        let is_clean = recorded == recordings();
        let before = self.before.replace((speed, is_clean));
        self.slice += 1;
        match self.phase {
            Phase::Free => {}
            Phase::Trial => {
                if self.slice.is_multiple_of(2)
                    && let Some((other, was_clean)) = before
                {
                    let counts = is_clean && was_clean || now >= WARM;
                    self.sample(if self.on { speed - other } else { other - speed }, counts);
                }
                match self.samples.verdict() {
                    Some(true) => self.win(now, now),
                    Some(false) => self.lose(),
                    None if self.samples.unclean >= PATIENCE => self.postpone(now, now / 2),
                    None => self.begin(matches!(self.slice % 4, 0 | 3)),
                }
            }
            Phase::Rest => {
                if self.on
                    && let Some((other, _)) = before
                {
                    self.sample(speed - other, true);
                    let worth_it = |n, gain| self.samples.len() >= n && self.samples.median() > gain;
                    if worth_it(2, CLEAR) || worth_it(LOOKS, WORTH_IT) {
                        self.win(now, AFTER_REST);
                        return;
                    }
                    if self.samples.len() >= LOOKS {
                        self.samples = Samples::NONE;
                        self.rest = (self.rest * 2).min(MOST_REST);
                    }
                }
                self.begin(!self.on);
            }
        }
    }

    fn sample(&mut self, sample: f64, counts: bool) {
        if counts {
            self.samples.add(sample);
        } else {
            self.samples.unclean += 1;
        }
    }

    /// Executors are worth it. The next trial comes after so much time.
    fn win(&mut self, now: u64, time: u64) {
        // SAFETY: the GIL is held.
        unsafe { stats::count(|s| s.trials_won += 1) };
        background::set_worth(Worth::Gains);
        crate::observe::trial(self.samples.len(), self.samples.median().exp(), true);
        self.postpone(now, time);
    }

    /// Executors are to rest.
    fn lose(&mut self) {
        // SAFETY: the GIL is held.
        unsafe { stats::count(|s| s.trials_lost += 1) };
        background::set_worth(Worth::Loses);
        crate::observe::trial(self.samples.len(), self.samples.median().exp(), false);
        self.phase = Phase::Rest;
        self.rest = REST;
        self.samples = Samples::NONE;
        self.before = None;
        self.begin(false);
    }

    /// Executors run, and the next trial comes after so much time.
    fn postpone(&mut self, now: u64, time: u64) {
        self.next = now + time.clamp(FIRST / 2, LONGEST);
        self.be_free();
    }

    fn be_free(&mut self) {
        self.phase = Phase::Free;
        self.on = true;
        self.ending = false;
        self.before = None;
        self.set_going();
        COUNTDOWN.0.set(SELDOM);
        // SAFETY: the GIL is held.
        unsafe { set_pace(Pace::Free) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(samples: impl IntoIterator<Item = f64>) -> (usize, Option<bool>) {
        let mut all = Samples::NONE;
        for sample in samples {
            all.add(sample);
            if all.verdict().is_some() {
                break;
            }
        }
        (all.len(), all.verdict())
    }

    /// Values around a median.
    fn around(median: f64, spread: f64) -> impl Iterator<Item = f64> {
        [0.4, -1.0, 0.7, -0.2, 1.0, -0.9].into_iter().cycle().map(move |x| median + x * spread)
    }

    #[test]
    fn clear_gains_are_seen_at_once() {
        assert_eq!(verdict(around(2.0, 0.1)), (2, Some(true)));
        assert_eq!(verdict(around(0.5, 0.05)), (2, Some(true)));
    }

    #[test]
    fn clear_losses_take_a_few() {
        assert_eq!(verdict(around(-0.3, 0.02)), (6, Some(false)));
        let (n, verdict) = verdict(around(-0.06, 0.1));
        assert!(n > 6 && verdict == Some(false), "{n} {verdict:?}");
    }

    #[test]
    fn what_makes_no_difference_goes_on() {
        let (n, verdict) = verdict(around(0.0, 0.1));
        assert!(n > 6 && verdict == Some(true), "{n} {verdict:?}");
    }

    #[test]
    fn a_few_slices_that_were_disturbed_decide_nothing() {
        let with = |disturbed: f64, median| verdict([disturbed, disturbed].into_iter().chain(around(median, 0.02)));
        assert_eq!(with(-3.0, 0.2).1, Some(true));
        assert_eq!(with(3.0, -0.2).1, Some(true), "two clear gains are enough");
        assert_eq!(verdict([-0.2, 3.0, -0.2, 3.0].into_iter().chain(around(-0.2, 0.02))).1, Some(false));
    }

    #[test]
    fn a_small_loss_is_none() {
        assert_eq!(verdict(around(-0.025, 0.02)).1, Some(true));
        // One that is not certain after all samples, with a median of 4 %.
        assert_eq!(verdict(around(-0.03, 0.05)), (24, Some(false)));
    }

    #[test]
    fn resting_programs_are_looked_at_seldom() {
        let skip = |done, taken, left| ticks_to_skip(done, Duration::from_micros(taken), Duration::from_micros(left));
        // Many ticks are expected: not all are skipped, for the program may become slow.
        assert_eq!(skip(40_000, 10_000, 190_000), MOST_TICKS);
        // There are eight looks.
        assert_eq!(skip(400, 10_000, 190_000), 950);
        // Towards the end, and where ticks are rare, as often as otherwise.
        assert_eq!(skip(40_000, 199_990, 10), u64::from(OFTEN));
        assert_eq!(skip(3, 10_000, 190_000), u64::from(OFTEN));
        assert_eq!(skip(0, 0, 190_000), u64::from(OFTEN));
    }

    #[test]
    fn nothing_is_said_of_few() {
        assert_eq!(verdict([0.0]), (1, None));
        assert_eq!(verdict([-1.0; 5]), (5, None));
    }
}
