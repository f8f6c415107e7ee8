//! What the host is while machine code runs: its state, the heap and its image, and how values lie in both.

use cranelift_entity::EntityRef;
use hotspur_codegen::{Code, ExecState, Location, Object};
use hotspur_interp::toy::{Toy, ToyRef, image};
use hotspur_interp::{Machine, Published, Register};
use hotspur_ir::{ExitId, SnapshotId, Type};

/// What `ExecState::host` points to.
pub(super) struct Host<'a> {
    pub machine: Machine<'a, Toy>,
    pub code: &'a Code,
    pub published: Vec<Published<ToyRef>>,
    pub has_layout: bool,
    /// How many [`Synced`] there are.
    pub synced: usize,
    pub exits: *const Entry,
    /// The exit that was taken.
    pub exit: Option<ExitId>,
    /// What went wrong: nothing may unwind into machine code.
    pub errors: Vec<String>,
}

/// An entry of the table of exits.
#[repr(C)]
pub(super) struct Entry {
    pub code: *const u8,
    /// As in a real host, entries hold more than the code.
    pub temperature: u64,
}

/// The host of a state.
///
/// # Safety
/// The state is the one that `Engine::run` set up, and no other reference to its host is in use.
pub(super) unsafe fn host<'a>(state: *mut ExecState) -> &'a mut Host<'a> {
    // SAFETY: `Engine::run` put it there; it outlives the execution.
    unsafe { &mut *(*state).host.cast::<Host<'a>>() }
}

pub(super) fn toy<'a>(state: *mut ExecState) -> &'a mut Toy {
    // SAFETY: a host function runs, and uses this reference only until it returns.
    unsafe { host(state) }.machine.runtime()
}

/// The address of the image of this thread.
pub(super) fn base() -> u64 {
    thread_local! {
        static BASE: u64 = Box::leak(vec![0_u64; image::WORDS].into_boxed_slice()).as_mut_ptr().expose_provenance() as u64;
    }
    BASE.with(|base| *base)
}

/// The image. Only one reference to it is in use at a time, and none while code runs.
pub(super) fn words<'a>() -> &'a mut [u64] {
    // SAFETY: it was leaked, with this length; this thread uses it only through references that end before code goes on.
    unsafe { std::slice::from_raw_parts_mut(std::ptr::with_exposed_provenance_mut(base() as usize), image::WORDS) }
}

/// While it lives, the heap is the truth; before and after, what is in the image is the same.
pub(super) struct Synced(*mut ExecState);

impl Synced {
    pub fn new(state: *mut ExecState) -> Synced {
        // SAFETY: as in `toy`.
        let host = unsafe { host(state) };
        if host.synced == 0 && host.has_layout {
            host.machine.runtime().read_image(base(), words());
        }
        host.synced += 1;
        Synced(state)
    }
}

impl Drop for Synced {
    fn drop(&mut self) {
        // SAFETY: as in `toy`.
        let host = unsafe { host(self.0) };
        host.synced -= 1;
        if host.synced == 0 && host.has_layout {
            host.machine.runtime().write_image(base(), words());
        }
    }
}

pub(super) fn nullable(object: Object) -> Option<ToyRef> {
    reference(object.addr() as u64)
}

/// The object at an address.
pub(super) fn reference(address: u64) -> Option<ToyRef> {
    image::object(base(), address)
}

pub(super) fn object(object: Object) -> ToyRef {
    // Null where there must be an object: the first object of the heap will do to go on, and faults show.
    nullable(object).or(reference(base())).expect("not zero")
}

pub(super) fn word(object: Option<ToyRef>) -> Object {
    std::ptr::without_provenance_mut(image::address(base(), object) as usize)
}

pub(super) fn register(ty: Type, bits: u64) -> Register<ToyRef> {
    match ty {
        Type::Obj => Register::Obj(reference(bits)),
        Type::I64 => Register::I64(bits as i64),
        Type::F64 => Register::F64(f64::from_bits(bits)),
        Type::Bool => Register::Bool(bits as u8 != 0),
        Type::Ptr => Register::Ptr(bits),
    }
}

pub(super) fn bits(register: &Register<ToyRef>) -> u64 {
    match register {
        Register::Obj(object) => image::address(base(), *object),
        Register::I64(n) => *n as u64,
        Register::F64(x) => x.to_bits(),
        Register::Bool(b) => (*b).into(),
        Register::Ptr(p) => *p,
    }
}

/// Gives the machine the live values of a snapshot.
pub(super) fn take_live(state: *mut ExecState, snapshot: SnapshotId) {
    // SAFETY: as in `toy`; values are read from the state as the code has described them.
    let (host, values) = unsafe { (host(state), &(*state).values) };
    for live in &host.code.snapshots[snapshot].live {
        let bits = match live.location {
            Location::Values(i) => values[i as usize],
            Location::Constant(bits) => bits,
        };
        if let Err(message) = host.machine.set(live.value, register(live.ty, bits)) {
            host.errors.push(message);
        }
    }
}

pub(super) fn publish_snapshot(state: *mut ExecState, snapshot: u32) {
    let snapshot = SnapshotId::new(snapshot as usize);
    take_live(state, snapshot);
    // SAFETY: as in `toy`.
    let host = unsafe { host(state) };
    match host.machine.publish(snapshot) {
        Ok(published) => host.published.push(published),
        Err(message) => host.errors.push(message),
    }
}
