//! Running executors as machine code.
//!
//! [`run`] enters the code of one executor. When that takes an exit, control comes to [`Run::side_exit`], which makes the frames,
//! counts, and answers the code of the executor that execution goes on in: machine code then jumps there, and the C stack
//! stays as it is. Without such an executor it returns to [`run`].
//!
//! Frames are made from snapshots, and virtual objects built, by the tier 2 interpreter's own routines
//! ([`hotspur_interp::Machine`]), with values that the code has left in the [`ExecState`].

use super::functions::register;
use crate::driver::{self, Passage};
use crate::executor::Executor;
use crate::runtime::{Host, Obj};
use core::cell::UnsafeCell;
use core::mem::{ManuallyDrop, MaybeUninit, offset_of};
use core::ptr;
use hotspur_codegen::{ExecState, Location, MAX_PARAMS, MAX_VALUES};
use hotspur_interp::{Leave, Machine, Outcome, Published};
use hotspur_ir::{ExitId, Op, SnapshotId, Type};
use hotspur_tier1::context::Context;
use hotspur_tier1::tier2::Landing;
use std::rc::Rc;

/// What `ExecState::host` points to: one for each entry from tier 1.
pub(super) struct Run {
    cx: *mut Context,
    host: Host,
    /// Values and disturbances of the executor that runs; it refers to `host`.
    machine: Option<Machine<'static, Host>>,
    published: Vec<Published<Obj>>,
    current: ManuallyDrop<Rc<Executor>>,
    landing: Landing,
}

/// The run that a state belongs to.
///
/// # Safety
/// Machine code that [`run`] has entered calls; no other reference to the run is in use.
pub(super) unsafe fn run_of<'a>(state: *mut ExecState) -> &'a mut Run {
    // SAFETY: `run` put it there, and it outlives the execution.
    unsafe { &mut *(*state).host.cast::<Run>() }
}

/// What an entry needs. It is large, and C code that calls Python code that calls C code, and so on, may enter thousands of
/// times, so it is not on the C stack.
struct Entry {
    run: MaybeUninit<Run>,
    state: ExecState,
}

/// Entries that are not in use.
struct Pool(UnsafeCell<Vec<*mut Entry>>);
// SAFETY: only touched with the GIL held.
unsafe impl Sync for Pool {}
static POOL: Pool = Pool(UnsafeCell::new(Vec::new()));

fn new_entry() -> *mut Entry {
    let state = ExecState {
        frame: ptr::null_mut(),
        thread: ptr::null_mut(),
        top: ptr::null_mut(),
        exit: ptr::null_mut(),
        result: 0,
        disturbed: 0,
        rounds: 0,
        values: [0; MAX_VALUES],
        args: [0; MAX_PARAMS],
        host: ptr::null_mut(),
    };
    Box::into_raw(Box::new(Entry { run: MaybeUninit::uninit(), state }))
}

/// Runs an executor that has machine code, and those that it leads to. Answers where execution stands in the end, and which
/// executor was the last.
///
/// # Safety
/// As for [`driver::enter`].
pub(crate) unsafe fn run(cx: *mut Context, first: Rc<Executor>, start: Landing) -> (Landing, Rc<Executor>) {
    // SAFETY: as the caller promises. The entry is used by nobody else until it is given back.
    unsafe {
        let entry = (*POOL.0.get()).pop().unwrap_or_else(new_entry);
        let run = (*entry).run.write(Run {
            cx,
            host: Host::new(cx),
            machine: None,
            published: Vec::new(),
            current: ManuallyDrop::new(first),
            landing: start,
        }) as *mut Run;
        let state = &raw mut (*entry).state;
        (*state).thread = (*cx).tstate.cast();
        (*state).host = run.cast();
        let code = (*run).begin(state);
        super::enter()(state, code);
        let ended = ((*run).landing, ManuallyDrop::take(&mut (*run).current));
        (*entry).run.assume_init_drop();
        (*POOL.0.get()).push(entry);
        ended
    }
}

impl Run {
    /// The runtime.
    pub(super) fn host(&mut self) -> &mut Host {
        &mut self.host
    }

    /// Makes ready for the current executor, which begins at the landing. Answers its code.
    unsafe fn begin(&mut self, state: *mut ExecState) -> *const u8 {
        // SAFETY: the executor lives while it is the current one, and `machine` is given up before `host` and it are.
        unsafe {
            let executor: *const Executor = Rc::as_ptr(&self.current);
            self.host.begin(executor, &self.landing);
            let host: *mut Host = &raw mut self.host;
            self.machine = Some(Machine::new(&(*executor).trace.superblock, &mut *host));
            (*state).frame = self.landing.frame.cast();
            (*state).top = self.landing.frame.cast();
            (*state).disturbed = 0;
            (*state).rounds = 0;
            driver::begun(&*executor);
            (*executor).code().entry()
        }
    }

    fn machine(&mut self) -> &mut Machine<'static, Host> {
        self.machine.as_mut().expect("an executor runs")
    }

    /// Gives the machine the live values of a snapshot.
    unsafe fn take_live(&mut self, state: *const ExecState, snapshot: SnapshotId) {
        let executor: *const Executor = Rc::as_ptr(&self.current);
        // SAFETY: the executor lives, and values are where its code says that it has left them.
        unsafe {
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
        unsafe { self.take_live(state, snapshot) };
        match self.machine().publish(snapshot) {
            Ok(published) => self.published.push(published),
            Err(message) => driver::broken(&self.current, &message),
        }
    }

    /// Brings suspended frames to a snapshot whose frames are all in memory, for good.
    pub(super) unsafe fn settle(&mut self, state: *mut ExecState, snapshot: SnapshotId) {
        // SAFETY: as the caller promises.
        unsafe { self.publish(state, snapshot) };
        self.published.clear();
    }

    /// Takes back what was published last.
    pub(super) unsafe fn withdraw(&mut self, state: *mut ExecState) {
        if let Some(published) = self.published.pop() {
            self.machine().withdraw(published);
            // SAFETY: the state of this run.
            unsafe { (*state).disturbed = u8::from(!self.is_undisturbed()) };
        }
    }

    /// Whether the executor may go on as if no other code had run.
    pub(super) fn is_undisturbed(&mut self) -> bool {
        self.machine().is_undisturbed()
    }

    /// An exit was taken. Answers the code to go on with, or null.
    pub(super) unsafe fn side_exit(state: *mut ExecState) -> *const u8 {
        // SAFETY: machine code of the current executor calls; what is said of `Run` holds.
        unsafe {
            let run = run_of(state);
            let number = run.current.number_of_exit((*state).exit.cast());
            let outcome = run.leave(state, number);
            run.landing = driver::left(&mut run.host, &run.current, &outcome);
            match driver::go_on(run.cx, &run.current, &run.landing, outcome) {
                Passage::To(next, args) if next.has_code() && args.is_empty() => {
                    // The previous one is let go when its successor is held already.
                    drop(core::mem::replace(&mut *run.current, next));
                    run.begin(state)
                }
                // Without code of its own it is for the interpreter, which tier 1 gets to by entering it.
                Passage::To(next, _) => {
                    drop(next);
                    ptr::null()
                }
                Passage::Tier1 => ptr::null(),
            }
        }
    }

    /// Makes the frames of an exit.
    unsafe fn leave(&mut self, state: *mut ExecState, number: usize) -> Outcome<Obj> {
        let executor: *const Executor = Rc::as_ptr(&self.current);
        // SAFETY: the executor lives, and the state is this run's.
        unsafe {
            let exit = &(*executor).exits[number];
            self.take_live(state, exit.snapshot);
            let leave = match &exit.leaves {
                Some(Op::DynamicExit { .. }) => Leave::Dynamic((*state).result as i64),
                Some(Op::ReturnValue { .. }) => match register(Type::Obj, (*state).result) {
                    hotspur_interp::Register::Obj(Some(value)) => Leave::Return(value),
                    _ => driver::broken(&*executor, "it returns nothing"),
                },
                Some(Op::Link { executor: target, args }) => {
                    let types = &(*executor).trace.superblock.values;
                    let args = args.iter().zip((*state).args).map(|(&v, bits)| register(types[v], bits)).collect();
                    Leave::Link(*target, args)
                }
                _ => Leave::Side,
            };
            let machine = self.machine.take().expect("an executor runs");
            let id = ExitId::from_u32(number as u32);
            let taken = hotspur_ir::Exit { id, snapshot: exit.snapshot, reason: exit.reason };
            let outcome = machine.leave_by(taken, leave).unwrap_or_else(|m| driver::broken(&*executor, &m));
            Outcome { rounds: (*state).rounds, ..outcome }
        }
    }
}

const _: () = assert!(offset_of!(ExecState, frame) == 0);
