//! Executors in plain Rust, for whoever shows them to people.

use crate::executor::Executor;
use crate::graph;
use hotspur_ir::{ExitReason, InvalidationReason};

/// An exit.
#[derive(Clone, Debug)]
pub struct ExitView {
    /// Why it is taken.
    pub reason: ExitReason,
    /// The position of the innermost frame's instruction there.
    pub pc: u32,
    /// How many exits are left until it is hot.
    pub remaining: u16,
    /// How often it was taken.
    pub hits: u64,
    /// Whether machine code leads on from there, without the host.
    pub passage: bool,
    /// The number of the executor that it leads to.
    pub target: Option<u64>,
}

/// An executor.
#[derive(Clone, Debug)]
pub struct ExecutorView {
    /// Its number.
    pub id: u64,
    /// The superblock in the text format.
    pub text: String,
    /// The superblock as it was recorded, if the optimizer has looked at it since.
    pub recorded: Option<String>,
    /// Its exits, by number.
    pub exits: Vec<ExitView>,
    /// Why it is invalid, if it is.
    pub invalid: Option<InvalidationReason>,
    /// How often it was run.
    pub runs: u64,
    /// Whether it was run since the last sweep.
    pub warm: bool,
    /// Bytes of machine code.
    pub code_bytes: usize,
    /// Bytes of it that are its exits'.
    pub exit_bytes: usize,
    /// The code object that it begins in: identity only, it may be gone.
    pub code: usize,
    /// Where in that code it begins.
    pub position: usize,
    /// Whether it is entered from there; otherwise it can only be reached through an exit.
    pub attached: bool,
    /// Which constants its text refers to: `obj0`, `obj1`, ... Borrowed, and live as long as the executor is valid.
    pub objects: usize,
}

fn view(executor: &Executor) -> ExecutorView {
    let exits = executor.exits().iter().map(|e| ExitView {
        reason: e.reason,
        pc: e.pc,
        remaining: e.temperature.remaining(),
        hits: e.hits(),
        passage: e.has_passage() || e.leads_to_bridge(),
        target: e.target().map(|t| t.id),
    });
    let trace = executor.trace();
    ExecutorView {
        id: executor.id,
        text: trace.superblock.to_string(),
        recorded: executor.recorded().map(ToString::to_string),
        exits: exits.collect(),
        invalid: executor.invalid_reason(),
        runs: executor.runs(),
        warm: executor.warm.get(),
        code_bytes: executor.code_sizes().total as usize,
        exit_bytes: (executor.code_sizes().exits + executor.code_sizes().shared_exits) as usize,
        code: trace.codes.get(trace.superblock.code.as_u32() as usize).map_or(0, |&c| c as usize),
        position: trace.entry.position,
        attached: executor.place().is_some(),
        objects: trace.objects.len(),
    }
}

/// All executors, in the order in which they were made.
///
/// # Safety
/// GIL held.
pub unsafe fn executors() -> Vec<ExecutorView> {
    let all = graph::all();
    let views = all.iter().map(|e| view(e)).collect();
    all.into_iter().for_each(|e| graph::bury_executor(Some(e)));
    views
}

/// An executor.
///
/// # Safety
/// GIL held.
pub unsafe fn executor(id: u64) -> Option<ExecutorView> {
    let executor = graph::find(id)?;
    let view = view(&executor);
    graph::bury_executor(Some(executor));
    Some(view)
}

/// Whether there is an executor with this number that may be entered.
///
/// # Safety
/// GIL held.
pub unsafe fn is_valid(id: u64) -> bool {
    let executor = graph::find(id);
    let is_valid = executor.as_ref().is_some_and(|executor| executor.is_valid());
    graph::bury_executor(executor);
    is_valid
}
