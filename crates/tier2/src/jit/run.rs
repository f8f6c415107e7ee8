//! Running executors as machine code.
//!
//! [`run`] enters the code of one executor. From there on code leads to code, and the C stack stays as it is:
//!
//! * From an exit that has led to its target a few times, a *passage* ([`super::compile_passage`]) goes there, with nobody in between.
//! * Other exits come to [`Run::side_exit`], which answers the code to go on in, or null to return to [`run`]. Where tier 1 has landed
//!   (`leave_landed`, `guard_landed`) everything is in frames already, and all there is to do is to look for an executor. Otherwise it
//!   makes the frames, with the tier 2 interpreter's own routines ([`hotspur_interp::Machine`]).
//!
//! # What is known while code runs
//! The [`ExecState`] says which executor runs and in which frame that began; both are written by the executor's own code at its
//! beginning. The other frames are those from the thread's top frame down to that one. [`Run::host`] and [`Run::machine`] are brought up to date
//! from there when they are needed: to publish frames, and at exits. Only between an op that was disturbed and the exit that follows do
//! they know something that is written nowhere else.
//!
//! Nobody counts references to executors that run. [`is_active`] finds out whether one is run, which is asked before it is
//! freed.

use super::To;
use super::functions::register;
use crate::driver::{self, Passage};
use crate::executor::Executor;
use crate::exits::Exit;
use crate::runtime::{Host, Obj, Taken};
use crate::{graph, stats};
use core::cell::UnsafeCell;
use core::mem::{ManuallyDrop, offset_of};
use core::ptr;
use hotspur_codegen::{ExecState, Location, MAX_PARAMS, MAX_VALUES};
use hotspur_cpython_sys::decref;
use hotspur_interp::{Changed, Leave, Machine, Outcome, Published, Runtime};
use hotspur_ir::{ExitId, Op, Resume, SnapshotId};
use hotspur_tier1::context::Context;
use hotspur_tier1::tier2::{Landing, LandingKind};
use std::rc::Rc;

/// What `ExecState::host` points to: one for each entry from tier 1.
pub(super) struct Run {
    cx: *mut Context,
    host: Host,
    /// Values and disturbances of the executor with the number `machine_for`; it refers to `host`.
    machine: Option<Machine<'static, Host>>,
    machine_for: u64,
    shown: Vec<Shown>,
    /// Memory for references that are taken.
    spare: Vec<Taken>,
}

/// What was published.
enum Shown {
    /// By a plan, with the references that were taken for it.
    Planned(Vec<Taken>),
    /// By the machine.
    Published(Published<Obj>),
}

/// The run that a state belongs to.
///
/// # Safety
/// Machine code that [`run`] has entered calls; no other reference to the run is in use.
#[inline(always)]
pub(super) unsafe fn run_of<'a>(state: *mut ExecState) -> &'a mut Run {
    // SAFETY: `run` put it there, and it outlives the execution.
    unsafe { &mut *(*state).host.cast::<Run>() }
}

/// What an entry needs. It is large, and C code that calls Python code that calls C code, and so on, may enter thousands of
/// times, so it is not on the C stack. Entries are used again, with what they have allocated.
struct Entry {
    run: Run,
    state: ExecState,
    /// The next one that is not in use, if this one is not.
    next: *mut Entry,
    in_use: bool,
}

/// All entries that were ever needed, and the first that is not in use.
struct Pool(UnsafeCell<(Vec<*mut Entry>, *mut Entry)>);
// SAFETY: only touched with the GIL held.
unsafe impl Sync for Pool {}
static POOL: Pool = Pool(UnsafeCell::new((Vec::new(), ptr::null_mut())));

#[cold]
#[inline(never)]
unsafe fn new_entry(cx: *mut Context) -> *mut Entry {
    let state = ExecState {
        frame: ptr::null_mut(),
        thread: ptr::null_mut(),
        top: ptr::null_mut(),
        exit: ptr::null_mut(),
        executor: ptr::null_mut(),
        landing: ptr::null_mut(),
        result: 0,
        disturbed: 0,
        rounds: 0,
        values: [0; MAX_VALUES],
        args: [0; MAX_PARAMS],
        host: ptr::null_mut(),
    };
    // SAFETY: as the caller promises.
    let host = unsafe { Host::new(cx) };
    let run = Run { cx, host, machine: None, machine_for: 0, shown: Vec::new(), spare: Vec::new() };
    let entry = Box::into_raw(Box::new(Entry { run, state, next: ptr::null_mut(), in_use: false }));
    // SAFETY: the GIL is held.
    unsafe { (*POOL.0.get()).0.push(entry) };
    entry
}

/// Whether an activation runs the executor's machine code.
pub(crate) fn is_active(executor: *const Executor) -> bool {
    // SAFETY: the GIL is held; entries in use are live.
    unsafe {
        let runs =
            |&entry: &*mut Entry| (*entry).in_use && ptr::eq((*entry).state.executor.cast::<Executor>(), executor);
        (*POOL.0.get()).0.iter().any(runs)
    }
}

/// Runs an executor that has machine code, and those that it leads to. Leaves where execution stands in the end in the thread, and
/// answers the last executor. It may be gone: whoever wants to know more looks first what is attached where execution stands.
///
/// # Safety
/// As for [`driver::enter`].
#[inline(always)]
pub(crate) unsafe fn run(cx: *mut Context, first: *const Executor) -> *const Executor {
    // SAFETY: as the caller promises. The entry is used by nobody else until it is given back; an executor that it names is
    // not freed.
    unsafe {
        let free = &raw mut (*POOL.0.get()).1;
        let entry = if (*free).is_null() { new_entry(cx) } else { *free };
        *free = (*entry).next;
        (*entry).in_use = true;
        let run = &raw mut (*entry).run;
        (*run).cx = cx;
        (*run).host.set_context(cx);
        let state = &raw mut (*entry).state;
        (*state).thread = (*cx).tstate.cast();
        (*state).landing = (&raw mut (*(*cx).thread).landing).cast();
        (*state).executor = first.cast_mut().cast();
        (*state).disturbed = 0;
        (*state).host = run.cast();
        hotspur_codegen::enter(state, (*first).entry.get());
        (*entry).in_use = false;
        (*entry).next = *free;
        *free = entry;
        (*state).executor.cast::<Executor>().cast_const()
    }
}

impl Run {
    /// The runtime.
    pub(super) fn host(&mut self) -> &mut Host {
        &mut self.host
    }

    /// The context of the activation.
    pub(super) fn context(&self) -> *mut Context {
        self.cx
    }

    /// The runtime, knowing the frames of the executor that runs.
    pub(super) unsafe fn frames_of(&mut self, state: *mut ExecState) -> &mut Host {
        // SAFETY: as the caller promises.
        unsafe { self.prepare(state) };
        &mut self.host
    }

    /// Whether frames may be pushed: see [`Host::has_room`].
    pub(super) unsafe fn has_room(&self, state: *mut ExecState) -> bool {
        // SAFETY: the executor runs.
        unsafe {
            let executor = (*state).executor.cast::<Executor>();
            (*(*self.cx).tstate).py_recursion_remaining > (*executor).most_frames() as i32 && driver::may_run(self.cx)
        }
    }

    /// Brings the runtime and the machine up to date with the executor that runs, and its frames.
    unsafe fn prepare(&mut self, state: *mut ExecState) {
        // SAFETY: the executor lives while it runs; a machine for another one is not used any more.
        unsafe {
            if (*state).disturbed != 0 {
                return;
            }
            let executor = (*state).executor.cast::<Executor>().cast_const();
            self.host.take_frames(executor, (*state).frame.cast());
            self.turn_machine(executor);
        }
    }

    /// Has the machine know this executor's values.
    unsafe fn turn_machine(&mut self, executor: *const Executor) {
        // SAFETY: the executor lives while it runs; a machine for another one is not used any more.
        unsafe {
            if self.machine_for == (*executor).id {
                return;
            }
            self.machine_for = (*executor).id;
            let superblock = &(*executor).trace().superblock;
            if let Some(machine) = &mut self.machine {
                machine.turn_to(superblock);
            } else {
                let host: *mut Host = &raw mut self.host;
                self.machine = Some(Machine::new(superblock, &mut *host));
            }
        }
    }

    fn machine(&mut self) -> &mut Machine<'static, Host> {
        self.machine.as_mut().expect("it was prepared")
    }

    /// Gives the machine the live values of a snapshot.
    unsafe fn take_live(&mut self, state: *const ExecState, snapshot: SnapshotId) {
        // SAFETY: the executor lives, and values are where its code says that it has left them.
        unsafe {
            let executor = (*state).executor.cast::<Executor>();
            for live in &(*executor).code().snapshots[snapshot].live {
                let bits = match live.location {
                    Location::Values(i) => (*state).values[i as usize],
                    Location::Constant(bits) => bits,
                };
                if let Err(message) = self.machine().set(live.value, register(live.ty, bits)) {
                    driver::broken(&*executor, &message);
                }
            }
        }
    }

    /// Lets other code see the frames of a snapshot.
    pub(super) unsafe fn publish(&mut self, state: *mut ExecState, snapshot: SnapshotId) {
        // SAFETY: as the caller promises.
        unsafe {
            stats::count(|s| s.frames_shown += 1);
            crate::losing::charge((*state).executor.cast::<Executor>(), crate::params::Parameter::PublishCost);
            let executor = (*state).executor.cast::<Executor>().cast_const();
            if (*state).disturbed == 0
                && let Some(plan) = (*executor).plan(snapshot)
            {
                self.host.take_frames(executor, (*state).frame.cast());
                let mut taken = core::mem::take(&mut self.spare);
                if self.host.show(plan, &(*state).values, &mut taken) {
                    self.shown.push(Shown::Planned(taken));
                    return;
                }
            }
            self.prepare(state);
            self.take_live(state, snapshot);
            match self.machine().publish(snapshot) {
                Ok(published) => self.shown.push(Shown::Published(published)),
                Err(message) => driver::broken(&*executor, &message),
            }
        }
    }

    /// Takes back what was published last.
    pub(super) unsafe fn withdraw(&mut self, state: *mut ExecState) {
        match self.shown.pop() {
            // SAFETY: the state of this run.
            Some(Shown::Planned(taken)) => unsafe { self.withdraw_planned(state, taken) },
            Some(Shown::Published(published)) => {
                self.machine().withdraw(published);
                // SAFETY: the state of this run.
                unsafe { (*state).disturbed = u8::from(!self.machine().is_undisturbed()) };
            }
            None => {}
        }
    }

    unsafe fn withdraw_planned(&mut self, state: *mut ExecState, mut taken: Vec<Taken>) {
        // SAFETY: as the caller promises.
        unsafe {
            let changed = self.host.withdraw();
            if changed.is_empty() && self.host.is_valid() {
                taken.drain(..).for_each(|(_, _, object)| decref(object.as_ptr()));
                self.spare = taken;
                return;
            }
            self.note_changes(state, changed, taken);
        }
    }

    /// Has the exit that follows know what other code has changed, and what is to be dropped.
    unsafe fn note_changes(&mut self, state: *mut ExecState, changed: Vec<Changed<Obj>>, taken: Vec<Taken>) {
        // SAFETY: as the caller promises.
        unsafe {
            self.turn_machine((*state).executor.cast::<Executor>());
            self.machine().settle(changed, taken);
            (*state).disturbed = u8::from(!self.machine().is_undisturbed());
        }
    }

    /// As [`Run::withdraw`], of what machine code has shown by itself.
    pub(super) unsafe fn settle(&mut self, state: *mut ExecState, snapshot: SnapshotId) {
        // SAFETY: as the caller promises.
        unsafe {
            let executor = (*state).executor.cast::<Executor>().cast_const();
            self.host.take_frames(executor, (*state).frame.cast());
            let changed = self.host.changed_locals();
            let plan = (*executor).plan(snapshot).expect("code shows nothing that there is no plan for");
            let taken = plan.taken_by_code(&(*state).values);
            self.note_changes(state, changed, taken);
        }
    }

    /// Whether the executor may go on as if no other code had run.
    pub(super) unsafe fn is_undisturbed(&mut self, state: *mut ExecState) -> bool {
        // SAFETY: the state of this run; the executor runs.
        unsafe {
            (*state).disturbed == 0 && (*(*state).executor.cast::<Executor>()).is_going() && driver::may_run(self.cx)
        }
    }

    /// An exit was taken. Answers the code to go on with, or null.
    pub(super) unsafe fn side_exit(state: *mut ExecState) -> *const u8 {
        // SAFETY: machine code of the current executor calls; what is said of `Run` holds.
        unsafe {
            let run = run_of(state);
            let exit = (*state).exit.cast::<Exit>().cast_const();
            if (*exit).resume != Resume::Landed || (*state).disturbed != 0 {
                return run.leave_by_snapshot(state);
            }
            let landing = (*state).landing.cast::<Landing>().cast_const();
            let code = driver::code_at(run.cx, &*landing);
            if code.is_null() {
                (*exit).count_cold();
                run.warm_up(state);
            } else {
                (*exit).count_linked();
            }
            code
        }
    }

    unsafe fn warm_up(&mut self, state: *mut ExecState) {
        // SAFETY: the executor lives; the reference is borrowed.
        unsafe {
            if (*(*self.cx).thread).landing.kind != LandingKind::Running {
                return;
            }
            let executor = ManuallyDrop::new(Rc::from_raw((*state).executor.cast::<Executor>().cast_const()));
            let number = executor.number_of_exit((*state).exit.cast());
            driver::warm_up(self.cx, &executor, &(*(*self.cx).thread).landing, number);
        }
    }

    /// An exit was taken that is to make frames.
    #[inline(never)]
    unsafe fn leave_by_snapshot(&mut self, state: *mut ExecState) -> *const u8 {
        // SAFETY: as for `side_exit`; the reference to the executor is borrowed.
        unsafe {
            crate::trial::event();
            let executor = ManuallyDrop::new(Rc::from_raw((*state).executor.cast::<Executor>().cast_const()));
            let number = executor.number_of_exit((*state).exit.cast());
            let exit = &executor.exits()[number];
            if exit.has_passage() {
                // It was refused. If the target is no good any more, this lets go of it.
                drop(exit.target());
            }
            let mut outcome = self.make_frames(state, &executor, number);
            self.machine().take_back(core::mem::take(&mut outcome.frames));
            let landing = driver::left(&mut self.host, &executor, &outcome);
            (*(*self.cx).thread).landing = landing;
            (*state).disturbed = 0;
            match driver::go_on(self.cx, &executor, &landing, outcome) {
                Passage::To(next, args) if next.has_code() && args.is_empty() => {
                    let code = next.entry.get();
                    if exit.wants_passage() {
                        let passage = super::compile_passage(&executor, number, To::Executor(&next)).ok();
                        if exit.target().is_none() {
                            executor.lead(number, Rc::clone(&next));
                        }
                        exit.set_passage(passage);
                    }
                    graph::let_go(next);
                    code
                }
                // Without code of its own it is for the interpreter, which tier 1 gets to by entering it.
                Passage::To(next, _) => {
                    graph::let_go(next);
                    ptr::null()
                }
                Passage::Tier1 => {
                    if exit.wants_way_out() && landing.kind == LandingKind::Running {
                        let position = driver::place_of(&landing).position as u32;
                        exit.set_passage(super::compile_passage(&executor, number, To::Tier1(position)).ok());
                    }
                    ptr::null()
                }
            }
        }
    }

    /// Makes the frames of an exit.
    unsafe fn make_frames(&mut self, state: *mut ExecState, executor: &Executor, number: usize) -> Outcome<Obj> {
        // SAFETY: the executor lives, and the state is this run's.
        unsafe {
            let exit = &executor.exits()[number];
            self.prepare(state);
            self.host.landed();
            self.take_live(state, exit.snapshot);
            let leave = match &exit.leaves {
                Some(Op::DynamicExit { .. }) => Leave::Dynamic((*state).result as i64),
                Some(Op::Link { executor: target, args }) => {
                    let types = &executor.trace().superblock.values;
                    let args = args.iter().zip((*state).args).map(|(&v, bits)| register(types[v], bits)).collect();
                    Leave::Link(*target, args)
                }
                _ => Leave::Side,
            };
            let id = ExitId::from_u32(number as u32);
            let taken = hotspur_ir::Exit { id, snapshot: exit.snapshot, reason: exit.reason };
            // What disturbed this execution, if anything did, does not concern the next one.
            self.machine_for = 0;
            self.machine().leave_by(taken, leave).unwrap_or_else(|m| driver::broken(executor, &m))
        }
    }
}

const _: () = assert!(offset_of!(ExecState, frame) == 0);
