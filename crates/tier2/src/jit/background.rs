//! Optimizing and compiling in a thread of its own, without the GIL.
//!
//! [`Task`]s go in, and what is [`Made`] comes out; both are plain data. What they are for is known to [`crate::pending`] alone, under their
//! numbers, so that nothing that the GIL guards is ever in the hands of the other thread.
//!
//! The thread exists while there is work: it ends when the queue is empty, and the next task starts another one. So a process whose
//! program is warm has no thread that it did not make itself. It has all signals blocked: they are for the program's
//! threads, whose system calls they interrupt.
//!
//! # How much it may take
//! Some programs have more code that gets hot than is worth compiling at once: each trace of theirs gains a little, and there are hundreds. The thread takes
//! no more than a share of the process's processor time ([`Parameter::CompileShare`]), after an initial allowance. How much that is
//! depends on what [trials](crate::trial) have shown ([`Worth`]). When it has used that up it ends, and whoever would use something that waits starts it again, if there is time by then.
//!
//! # fork
//! A child has only the thread that forked. So before a fork the thread is asked to stop, and waited for: it finishes what it
//! compiles, at most; it needs no lock of anybody's for that. The lock is held across the fork, so the child finds everything in
//! order. (CPython warns of forks in processes with more than one thread. That would be another reason.) In the parent the
//! queue is taken up again; in the child what was under way is dropped, see [`crate::pending`].
//!
//! # Shutdown
//! Nobody waits for the thread. It touches nothing but its own data, and ends with the process.

use super::task::{Made, Task};
use crate::params::Parameter;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use hotspur_codegen::{Compiler, Options};
use hotspur_ir::AbortReason;
use std::cell::UnsafeCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

/// What has come of a task.
#[derive(Debug)]
pub(crate) struct Done {
    /// Its number.
    pub id: u64,
    /// What was made, or why nothing was.
    pub made: Result<Made, AbortReason>,
}

/// Work that waits.
struct Waiting {
    id: u64,
    task: Task,
    /// How often the program could have used the result since.
    wanted: u64,
}

struct State {
    /// In the order in which it came.
    queue: Vec<Waiting>,
    done: Vec<Done>,
    /// The thread, if it has not ended, or has ended unnoticed.
    thread: Option<JoinHandle<()>>,
    /// Whether the thread takes work. It ends when it finds none, and says so here.
    runs: bool,
    /// The thread is to take no more work: a fork is under way.
    stop: bool,
    /// The same, at the request of a test.
    paused: bool,
    /// Somebody waits for the results, whatever they take.
    hurry: bool,
    /// Kept from one thread to the next.
    compiler: Option<Compiler>,
}

impl State {
    /// What the program could have used most often. Each time adds up, so nothing waits forever that is used at all.
    fn most_wanted(&mut self) -> Option<Waiting> {
        // Of several, the one that came first.
        let index = (0..self.queue.len()).max_by_key(|&i| (self.queue[i].wanted, core::cmp::Reverse(i)))?;
        Some(self.queue.remove(index))
    }

    /// Whether the thread may take no more work now.
    fn is_over_budget(&self) -> bool {
        let free = u64::from(Parameter::CompileTime.get()) * 1_000_000;
        let spent = SPENT.load(Ordering::Relaxed);
        if self.hurry || spent < free {
            return false;
        }
        let share = u64::from(Parameter::CompileShare.get()) * u64::from(SHARES.load(Ordering::Relaxed));
        spent - free > program_time() / 1000 * share
    }
}

static STATE: Mutex<State> = Mutex::new(State {
    queue: Vec::new(),
    done: Vec::new(),
    thread: None,
    runs: false,
    stop: false,
    paused: false,
    hurry: false,
    compiler: None,
});

/// What this clock of the system's shows, in nanoseconds.
fn processor_time(clock: libc::clockid_t) -> u64 {
    // SAFETY: plain data; the clocks exist.
    unsafe {
        let mut time: libc::timespec = core::mem::zeroed();
        libc::clock_gettime(clock, &raw mut time);
        time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
    }
}

/// Processor time that the process has taken for other things, in nanoseconds.
pub(crate) fn program_time() -> u64 {
    let all = processor_time(libc::CLOCK_PROCESS_CPUTIME_ID);
    all.saturating_sub(SPENT.load(Ordering::Relaxed))
}

/// How many tenths of its share the thread may take.
static SHARES: AtomicU32 = AtomicU32::new(Worth::Unknown as u32);

/// What compiling is worth, in tenths of the share of time that it may take.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Worth {
    /// Nobody knows.
    Unknown = 10,
    /// The program is faster with executors.
    Gains = 20,
    /// It is slower.
    Loses = 1,
}

/// Says what compiling is worth from now on.
pub(crate) fn set_worth(worth: Worth) {
    SHARES.store(worth as u32, Ordering::Relaxed);
}

/// Processor time that threads of ours have taken so far, in nanoseconds.
static SPENT: AtomicU64 = AtomicU64::new(0);

fn state() -> MutexGuard<'static, State> {
    // Nothing panics while it holds the lock.
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// There is something to be looked at: results, or the process is a forked one.
static ATTENTION: AtomicBool = AtomicBool::new(false);
/// The process is a forked one, and nobody has looked.
static FORKED: AtomicBool = AtomicBool::new(false);

/// Whether [`take`] would answer anything, or [`forked`] would. Costs a load.
#[inline(always)]
pub(crate) fn wants_attention() -> bool {
    ATTENTION.load(Ordering::Relaxed)
}

/// Whether the process has been forked off since the last time. All that was under way is lost then, and the queue empty.
pub(crate) fn forked() -> bool {
    let forked = FORKED.swap(false, Ordering::Relaxed);
    if forked {
        clear();
    }
    forked
}

/// Forgets all work and all results. What is being compiled will still come.
pub(crate) fn clear() {
    let mut state = state();
    let dropped = (core::mem::take(&mut state.queue), core::mem::take(&mut state.done));
    drop(state);
    drop(dropped);
}

/// What was finished since the last time.
pub(crate) fn take() -> Vec<Done> {
    ATTENTION.store(false, Ordering::Relaxed);
    let mut state = state();
    start(&mut state);
    core::mem::take(&mut state.done)
}

/// Has a task done. False if there is no thread for it, and cannot be: it was not taken then.
pub(crate) fn submit(id: u64, task: Task) -> bool {
    static AT_FORK: Once = Once::new();
    // SAFETY: the functions are what the system asks for, and exist as long as the process.
    AT_FORK.call_once(|| unsafe {
        // Without memory for that, forks are as safe as threads are.
        let _ = libc::pthread_atfork(Some(before_fork), Some(after_fork_in_parent), Some(after_fork_in_child));
    });
    let mut state = state();
    state.queue.push(Waiting { id, task, wanted: 0 });
    let has_thread = start(&mut state);
    if !has_thread {
        state.queue.pop();
    }
    has_thread
}

/// The program could have used the result of a task so many times since it was asked for, or since the last time.
pub(crate) fn want(id: u64, times: u64) {
    let mut state = state();
    if let Some(waiting) = state.queue.iter_mut().find(|waiting| waiting.id == id) {
        waiting.wanted += times;
        start(&mut state);
    }
}

/// Somebody waits until everything is done.
pub(crate) fn hurry() {
    let mut state = state();
    state.hurry = !state.queue.is_empty();
    start(&mut state);
}

/// Has the thread take no more tasks, or go on.
pub(crate) fn pause(on: bool) {
    let mut state = state();
    state.paused = on;
    start(&mut state);
}

/// Starts a thread if there is work and nobody does it. False if that is not possible.
fn start(state: &mut State) -> bool {
    if state.queue.is_empty() || state.runs || state.stop || state.paused || state.is_over_budget() {
        return true;
    }
    let compiler = state.compiler.take();
    match with_signals_blocked(|| {
        // Deep recursion is Cranelift's own, on large functions.
        Builder::new().name(NAME.into()).stack_size(8 << 20).spawn(move || work(compiler))
    }) {
        Ok(thread) => {
            // The previous one is about to end, and is let go.
            state.thread = Some(thread);
            state.runs = true;
            true
        }
        Err(_) => false,
    }
}

fn with_signals_blocked<T>(f: impl FnOnce() -> T) -> T {
    // SAFETY: sets of signals are plain data, and the thread's mask is put back.
    unsafe {
        let mut all = core::mem::zeroed();
        let mut before = core::mem::zeroed();
        libc::sigfillset(&raw mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut before);
        let result = f();
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const before, core::ptr::null_mut());
        result
    }
}

/// What the thread does.
fn work(compiler: Option<Compiler>) {
    let mut compiler = compiler.or_else(|| Compiler::new(Options::default()).ok());
    let mut before = 0;
    loop {
        let mut state = state();
        let now = processor_time(libc::CLOCK_THREAD_CPUTIME_ID);
        SPENT.fetch_add(now - before, Ordering::Relaxed);
        before = now;
        let rests = state.stop || state.paused || state.is_over_budget();
        let next = if rests { None } else { state.most_wanted() };
        let Some(Waiting { id, task, wanted: _ }) = next else {
            state.runs = false;
            state.compiler = compiler;
            return;
        };
        drop(state);
        let run = || compiler.as_mut().map(|compiler| task.run(compiler));
        let made = catch_unwind(AssertUnwindSafe(run)).ok().flatten();
        let made = made.unwrap_or(Err(AbortReason::CompileFailed));
        self::state().done.push(Done { id, made });
        // After the result is there: whoever sees this takes the lock, and finds it.
        ATTENTION.store(true, Ordering::Relaxed);
    }
}

/// The thread's name, and what the kernel has of it. (Not the launcher's, which the main thread may have.)
const NAME: &str = "hotspur-compile";
const COMM: &[u8] = b"hotspur-compile\n";

/// The lock, while a fork is under way.
struct Held(UnsafeCell<Option<MutexGuard<'static, State>>>);
// SAFETY: touched by the thread that forks only, which has the lock that is in it.
unsafe impl Sync for Held {}
static HELD: Held = Held(UnsafeCell::new(None));

/// Waits until the kernel counts no thread of ours any more, which is where CPython looks: for a moment after it was joined it still does, and so it
/// does for one that was let go.
fn await_end() {
    const TRIES: u32 = 200;
    for _ in 0..TRIES {
        let Ok(mut tasks) = std::fs::read_dir("/proc/self/task") else { return };
        let is_ours = |task: &std::path::Path| std::fs::read(task.join("comm")).is_ok_and(|comm| comm == COMM);
        if !tasks.any(|task| task.is_ok_and(|task| is_ours(&task.path()))) {
            return;
        }
        std::thread::sleep(Duration::from_micros(50));
    }
}

unsafe extern "C" fn before_fork() {
    let held = loop {
        let mut state = state();
        state.stop = true;
        let Some(thread) = state.thread.take() else { break state };
        drop(state);
        // It needs the lock to see that it is to stop.
        let _ = thread.join();
        await_end();
    };
    // SAFETY: this thread has the lock.
    unsafe { *HELD.0.get() = Some(held) };
}

unsafe extern "C" fn after_fork_in_parent() {
    // SAFETY: this thread has the lock.
    if let Some(mut state) = unsafe { (*HELD.0.get()).take() } {
        state.stop = false;
        // Somebody who holds the GIL goes on.
        ATTENTION.store(true, Ordering::Relaxed);
    }
}

unsafe extern "C" fn after_fork_in_child() {
    // SAFETY: this thread has the lock, as it had before.
    if let Some(mut state) = unsafe { (*HELD.0.get()).take() } {
        state.stop = false;
        // The processor time of a new process begins at zero.
        SPENT.store(0, Ordering::Relaxed);
        FORKED.store(true, Ordering::Relaxed);
        ATTENTION.store(true, Ordering::Relaxed);
    }
}
