//! What machine code calls.
//!
//! Most of these are ops that the code does by itself as a rule, since it knows the layout; they are here for what is left.
//! They do what the tier 2 interpreter has its runtime do, by calling the same functions.

use super::run::{Run, run_of};
use crate::params::Parameter;
use crate::runtime::{
    self, Host, Obj, build_of, calls, dies_quietly, finish_quietly, free_iterator, free_quiet, link_generator, push_on,
    suspend, unlink_generator,
};
use crate::{graph, losing};
use core::ffi::c_void;
use core::ptr::{self, NonNull};
use hotspur_codegen::{ExecState, HostFunctions, Object};
use hotspur_cpython_sys::ffi::PyObject;
use hotspur_cpython_sys::{
    _PyThreadState_PopFrame, PyCodeObject, PyGen_Type, TPFLAGS_HEAPTYPE, ThreadState, dealloc, decref_is_zero,
    frame_generator, frame_locals, generator_frame, has_feature, ty,
};
use hotspur_interp::{Register, Runtime};
use hotspur_ir::{FloatKind, Helper, IntKind, Moves, SnapshotId, Type, VirtualKind};
use hotspur_tier1::calling::call_any;
use hotspur_tier1::context::Context;
use hotspur_tier1::dispatch::State;
use hotspur_tier1::generators::free_finished;
use hotspur_tier1::tier2;

fn host<'a>(state: *mut ExecState) -> &'a mut Host {
    // SAFETY: a function of the host is running, which uses the reference only until it returns.
    unsafe { run_of(state) }.host()
}

fn nullable(object: Object) -> Option<Obj> {
    NonNull::new(object.cast())
}

/// An object that is not null, as the op's operand is not.
fn object(object: Object) -> Obj {
    // SAFETY: the table of ops says which operands may be null, and the superblock was verified.
    unsafe { NonNull::new_unchecked(object.cast()) }
}

fn word(object: Option<Obj>) -> Object {
    object.map_or(ptr::null_mut(), |o| o.as_ptr().cast())
}

pub(super) fn register(ty: Type, bits: u64) -> Register<Obj> {
    match ty {
        Type::Obj => Register::Obj(NonNull::new(ptr::with_exposed_provenance_mut(bits as usize))),
        Type::I64 => Register::I64(bits as i64),
        Type::F64 => Register::F64(f64::from_bits(bits)),
        Type::Bool => Register::Bool(bits as u8 != 0),
        Type::Ptr => Register::Ptr(bits),
    }
}

fn bits(register: &Register<Obj>) -> u64 {
    match register {
        Register::Obj(object) => object.map_or(0, |o| o.as_ptr().expose_provenance() as u64),
        Register::I64(n) => *n as u64,
        Register::F64(x) => x.to_bits(),
        Register::Bool(b) => (*b).into(),
        Register::Ptr(p) => *p,
    }
}

/// A row gives a function's arguments after the state, and what is done with the runtime.
macro_rules! functions {
    ($($name:ident |$t:ident $(, $arg:ident: $ty:ty)*| $(-> $result:ty)? $body:block)*) => {
        $(extern "C-unwind" fn $name(state: *mut ExecState $(, $arg: $ty)*) $(-> $result)? {
            let $t = host(state);
            $body
        })*
    };
}

/// The same for those that work on frames.
macro_rules! frame_functions {
    ($($name:ident |$t:ident $(, $arg:ident: $ty:ty)*| $(-> $result:ty)? $body:block)*) => {
        $(extern "C-unwind" fn $name(state: *mut ExecState $(, $arg: $ty)*) $(-> $result)? {
            // SAFETY: machine code of the running executor calls.
            let $t = unsafe { run_of(state).frames_of(state) };
            $body
        })*
    };
}

frame_functions! {
    load_local |t, depth: u32, index: u32| -> Object { word(t.load_local(depth as usize, index as usize)) }
    load_stack |t, depth: u32, index: u32| -> Object { word(t.load_stack(depth as usize, index as usize)) }
    load_globals |t, depth: u32| -> Object { word(Some(t.globals(depth as usize))) }
    load_builtins |t, depth: u32| -> Object { word(Some(t.builtins(depth as usize))) }
    spill_local |t, depth: u32, index: u32, value: Object| {
        t.spill_local(depth as usize, index as usize, nullable(value));
    }
    spill_stack |t, depth: u32, index: u32, value: Object| {
        t.spill_stack(depth as usize, index as usize, nullable(value));
    }
    has_landed |t, code: Object, pc: u32, moves: u32, stack: u32| -> bool {
        t.landed();
        let code = code.cast::<PyCodeObject>();
        // SAFETY: as above.
        let expected = unsafe { t.is_where_expected(code, pc, Moves::ALL[moves as usize], stack as usize) };
        expected && t.is_valid()
    }
}

functions! {
    type_of |t, value: Object| -> Object { word(Some(t.type_of(object(value)))) }
    type_version |t, value: Object| -> u32 { t.type_version(object(value)) }
    class_version |t, class: Object| -> u32 { t.class_version(object(class)) }
    keys_version |t, value: Object| -> u32 { t.keys_version(object(value)) }
    shared_keys_version |t, value: Object| -> u32 { t.shared_keys_version(object(value)) }
    instance_keys_version |t, class: Object| -> u32 { t.instance_keys_version(object(class)) }
    global_version |t, value: Object| -> u32 { t.global_version(object(value)) }
    function_version |t, value: Object| -> u32 { t.function_version(object(value)) }
    is_compact |t, value: Object| -> bool { t.is_compact(object(value)) }
    is_wide |t, value: Object| -> bool { t.is_wide(object(value)) }
    has_inline_values |t, value: Object| -> bool { t.has_inline_values(object(value)) }
    has_no_dict |t, value: Object| -> bool { !t.has_dict(object(value)) }
    is_shared |t, value: Object| -> bool { t.refcount(object(value)) > 1 }
    is_periodic_due |t| -> bool { t.is_periodic_due() }
    unbox_i64 |t, value: Object| -> i64 { t.unbox_i64(object(value)) }
    unbox_wide |t, value: Object| -> i64 { t.unbox_wide(object(value)) }
    box_i64 |t, value: i64| -> Object { word(Some(t.box_i64(value))) }
    unbox_f64 |t, value: Object| -> f64 { t.unbox_f64(object(value)) }
    box_f64 |t, value: f64| -> Object { word(Some(t.box_f64(value))) }
    unbox_bool |t, value: Object| -> bool { t.unbox_bool(object(value)) }
    box_bool |t, value: bool| -> Object { word(Some(t.box_bool(value))) }
    load_inline |t, value: Object, index: u32| -> Object { word(t.load_inline(object(value), index as usize)) }
    store_inline |t, value: Object, index: u32, content: Object| {
        t.store_inline(object(value), index as usize, nullable(content));
    }
    load_slot |t, value: Object, offset: u32| -> Object { word(t.load_slot(object(value), offset as usize)) }
    store_slot |t, value: Object, offset: u32, content: Object| {
        t.store_slot(object(value), offset as usize, nullable(content));
    }
    list_len |t, list: Object| -> i64 { t.list_len(object(list)) }
    list_items |t, list: Object| -> u64 { t.list_items(object(list)) }
    load_item |t, items: u64, index: i64| -> Object { word(t.load_item(items, index)) }
    store_item |t, items: u64, index: i64, content: Object| { t.store_item(items, index, nullable(content)); }
    tuple_len |t, tuple: Object| -> i64 { t.tuple_len(object(tuple)) }
    load_tuple_item |t, tuple: Object, index: i64| -> Object { word(t.load_tuple_item(object(tuple), index)) }
    typecode |t, array: Object| -> u32 { t.typecode(object(array)) }
    array_len |t, array: Object| -> i64 { t.array_len(object(array)) }
    array_elements |t, array: Object, offset: u32| -> u64 { t.array_elements(object(array), offset as usize) }
    inner_elements |t, array: Object, offset: u32| -> u64 { t.inner_elements(object(array), offset as usize) }
    load_element_i64 |t, elements: u64, index: i64, kind: u32| -> i64 {
        t.load_element_i64(elements, index, IntKind::ALL[kind as usize])
    }
    load_element_f64 |t, elements: u64, index: i64, kind: u32| -> f64 {
        t.load_element_f64(elements, index, FloatKind::ALL[kind as usize])
    }
    store_element_i64 |t, elements: u64, index: i64, kind: u32, content: i64| {
        t.store_element_i64(elements, index, IntKind::ALL[kind as usize], content);
    }
    store_element_f64 |t, elements: u64, index: i64, kind: u32, content: f64| {
        t.store_element_f64(elements, index, FloatKind::ALL[kind as usize], content);
    }
    load_cell |t, cell: Object| -> Object { word(t.load_cell(object(cell))) }
    store_cell |t, cell: Object, content: Object| { t.store_cell(object(cell), nullable(content)); }
    load_dict_value |t, dict: Object, index: u32| -> Object { word(t.load_dict_value(object(dict), index as usize)) }
    store_dict_value |t, dict: Object, index: u32, content: Object| {
        t.store_dict_value(object(dict), index as usize, nullable(content));
    }
    module_dict |t, module: Object| -> Object { word(Some(t.module_dict(object(module)))) }
    incref |t, value: Object| { t.incref(object(value)); }
    decref_no_dealloc |t, value: Object| { t.decref_no_dealloc(object(value)); }
    list_iter_next |t, iter: Object| -> Object { word(t.list_iter_next(object(iter))) }
    tuple_iter_next |t, iter: Object| -> Object { word(t.tuple_iter_next(object(iter))) }
    range_iter_next |t, iter: Object| -> i64 { t.range_iter_next(object(iter)).unwrap_or(0) }
    is_untracked |t| -> bool { t.is_untracked() }
    load_generator |t, generator: Object, index: u32| -> Object {
        word(t.load_generator(object(generator), index as usize))
    }
    store_generator |t, generator: Object, index: u32, content: Object| {
        t.store_generator(object(generator), index as usize, nullable(content));
    }
    generator_globals |t, generator: Object| -> Object { word(Some(t.generator_globals(object(generator)))) }
    generator_builtins |t, generator: Object| -> Object { word(Some(t.generator_builtins(object(generator)))) }
    resume_generator |t, generator: Object| { t.resume_generator(object(generator)); }
    is_iter_done |t, iter: Object| -> bool { t.is_iter_done(object(iter)) }
}

extern "C-unwind" fn decref(_: *mut ExecState, value: Object) -> bool {
    // SAFETY: the superblock owns the reference.
    unsafe { decref_is_zero(value.cast()) }
}

extern "C-unwind" fn dealloc_simple(_: *mut ExecState, value: Object) {
    // SAFETY: the object's count is zero.
    unsafe { crate::runtime::free_simple(value.cast()) }
}

extern "C-unwind" fn has_stack_space(state: *mut ExecState) -> bool {
    // SAFETY: machine code of the running executor calls.
    unsafe { run_of(state).has_room(state) }
}

extern "C-unwind" fn push_frame(
    state: *mut ExecState,
    code: Object,
    caller_pc: u32,
    caller_stack: u32,
    function: Object,
    count: u32,
) {
    // SAFETY: the state is in use by this function only; the frame is pushed on that of the running executor.
    unsafe {
        let ts = (*state).thread.cast::<ThreadState>();
        let caller = (*ts).current_frame;
        suspend(caller, caller_pc, caller_stack as usize);
        let frame = push_on(ts, caller, code.cast::<PyCodeObject>(), function.cast());
        let locals = (&raw const (*state).values).cast::<*mut PyObject>();
        ptr::copy_nonoverlapping(locals, frame_locals(frame), count as usize);
        (*state).top = frame.cast();
    }
}

extern "C-unwind" fn push_generator(state: *mut ExecState, generator: Object, caller_pc: u32, caller_stack: u32) {
    // SAFETY: as for `push_frame`.
    unsafe {
        let ts = (*state).thread.cast::<ThreadState>();
        let caller = (*ts).current_frame;
        suspend(caller, caller_pc, caller_stack as usize);
        (*state).top = link_generator(ts, caller, generator.cast()).cast();
    }
}

extern "C-unwind" fn pop_generator(state: *mut ExecState) {
    // SAFETY: the state is in use by this function only; the frame below goes on.
    unsafe {
        let caller = unlink_generator((*state).thread.cast::<ThreadState>());
        (*caller).stacktop = -1;
    }
}

extern "C-unwind" fn is_caller_at(state: *mut ExecState, code: Object, pc: u32) -> bool {
    // SAFETY: machine code of the running executor calls, whose first frame is a generator's.
    unsafe { runtime::is_below((*state).frame.cast(), code.cast::<PyCodeObject>(), pc) }
}

extern "C-unwind" fn unlink_first(state: *mut ExecState) -> Object {
    // SAFETY: as above; the frame below goes on, and is the first one from now on.
    unsafe {
        let generator = frame_generator((*state).frame.cast());
        let caller = unlink_generator((*state).thread.cast::<ThreadState>());
        (*caller).stacktop = -1;
        (*state).frame = caller.cast();
        generator.cast()
    }
}

extern "C-unwind" fn finish_generator(state: *mut ExecState, snapshot: u32, generator: Object) {
    // SAFETY: machine code of the running executor calls.
    unsafe {
        let ts = (*state).thread.cast::<ThreadState>();
        let generator = generator.cast();
        if finish_quietly(generator) {
            return;
        }
        let run = run_of(state);
        run.publish(state, SnapshotId::from_u32(snapshot));
        runtime::finish_generator(ts, generator);
        run.withdraw(state);
    }
}

extern "C-unwind" fn new_generator(
    state: *mut ExecState,
    code: Object,
    pc: u32,
    function: Object,
    count: u32,
) -> Object {
    // SAFETY: the state is in use by this function only; so many locals lie there.
    unsafe {
        let generator = runtime::new_generator(function.cast(), code.cast::<PyCodeObject>(), pc).as_ptr();
        let locals = (&raw const (*state).values).cast::<*mut PyObject>();
        ptr::copy_nonoverlapping(locals, frame_locals(generator_frame(generator.cast())), count as usize);
        generator.cast()
    }
}

extern "C-unwind" fn is_suspended_at(_: *mut ExecState, generator: Object, code: Object, pc: u32) -> bool {
    // SAFETY: the op's operands.
    unsafe { runtime::is_suspended_at(object(generator), code.cast::<PyCodeObject>(), pc) }
}

extern "C-unwind" fn suspend_generator(
    _: *mut ExecState,
    generator: Object,
    code: Object,
    pc: u32,
    stack: u32,
    delegates: bool,
) {
    // SAFETY: the op's operands.
    unsafe {
        runtime::suspend_generator(object(generator), code.cast::<PyCodeObject>(), pc, stack as usize, delegates);
    }
}

extern "C-unwind" fn pop_frame(state: *mut ExecState) {
    host(state).pop_frame();
}

extern "C-unwind" fn return_value(state: *mut ExecState, value: Object, count: u32) {
    // SAFETY: machine code of the running executor calls; the references lie there.
    unsafe {
        let dropped = (&raw const (*state).values).cast::<*mut PyObject>();
        let dropped = core::slice::from_raw_parts(dropped, count as usize);
        let cx = run_of(state).context();
        tier2::return_from(cx, (*(*cx).tstate).current_frame, value.cast(), dropped);
        Context::refresh(cx);
    }
}

extern "C-unwind" fn is_plain_frame(state: *mut ExecState) -> bool {
    // SAFETY: machine code of the running executor calls.
    unsafe { run_of(state).frames_of(state) }.is_plain_frame()
}

extern "C-unwind" fn land(state: *mut ExecState, frame: Object, value: Object) {
    // SAFETY: as above; the frame is the current one, and the reference passes on.
    unsafe {
        let cx = run_of(state).context();
        (*(*cx).thread).landing = tier2::land_in(cx, frame.cast(), value.cast());
    }
}

extern "C-unwind" fn give_back(state: *mut ExecState, frame: Object) {
    // SAFETY: as above; the frame is the one that lies uppermost.
    unsafe { _PyThreadState_PopFrame((*state).thread.cast(), frame.cast()) }
}

extern "C-unwind" fn dealloc_returning(state: *mut ExecState, value: Object) {
    // SAFETY: as above; the object's count is zero.
    unsafe {
        let ts = (*state).thread.cast::<ThreadState>();
        (*ts).c_recursion_remaining -= 1;
        // Here other code may run. Looking at what dies is worth it for the memory of instances and generators alone.
        let t = ty(value.cast());
        let is_kept = has_feature(t, TPFLAGS_HEAPTYPE) || t == &raw mut PyGen_Type;
        if free_finished(value.cast()) {
            // It was consumed.
        } else if is_kept && dies_quietly(value.cast()) {
            free_quiet(value.cast());
        } else if !free_iterator(value.cast()) {
            dealloc(value.cast());
        }
        (*ts).c_recursion_remaining += 1;
        Context::refresh(run_of(state).context());
    }
}

extern "C-unwind" fn build(state: *mut ExecState, kind: u32, count: u32) -> Object {
    let kind = VirtualKind::ALL[kind as usize];
    // SAFETY: the fields lie there.
    unsafe { word(Some(build_of(kind, &(&(*state).values)[..count as usize]))) }
}

extern "C-unwind" fn new_instance(_: *mut ExecState, class: Object) -> Object {
    // SAFETY: the op's operand.
    unsafe { word(Some(runtime::new_instance_of(class.cast()))) }
}

extern "C-unwind" fn publish(state: *mut ExecState, snapshot: u32) {
    // SAFETY: machine code of the running executor calls.
    unsafe { run_of(state).publish(state, SnapshotId::from_u32(snapshot)) }
}

extern "C-unwind" fn withdraw(state: *mut ExecState) {
    // SAFETY: as above. If tools were switched on, that stops all executors, this one included.
    unsafe {
        run_of(state).withdraw(state);
        Context::refresh(run_of(state).context());
    }
}

extern "C-unwind" fn settle(state: *mut ExecState, snapshot: u32) {
    // SAFETY: as above.
    unsafe { run_of(state).settle(state, SnapshotId::from_u32(snapshot)) }
}

extern "C-unwind" fn is_valid(state: *mut ExecState) -> bool {
    // SAFETY: as above.
    unsafe { run_of(state).is_undisturbed(state) }
}

extern "C-unwind" fn dealloc_published(state: *mut ExecState, snapshot: u32, value: Object) -> bool {
    // SAFETY: as above; the object's count is zero.
    unsafe {
        if free_finished(value.cast()) || free_iterator(value.cast()) {
            return true;
        }
        if dies_quietly(value.cast()) {
            free_quiet(value.cast());
            return true;
        }
        let run = run_of(state);
        run.publish(state, SnapshotId::from_u32(snapshot));
        dealloc(value.cast());
        run.withdraw(state);
        run.is_undisturbed(state)
    }
}

extern "C-unwind" fn execute(
    state: *mut ExecState,
    _snapshot: u32,
    instruction: u64,
    frame: u64,
    sp: u64,
    stream: u64,
) {
    // SAFETY: as above; all slots are in memory, and the addresses are those of the top frame and of its code.
    unsafe {
        let cx = run_of(state).context();
        losing::charge((*state).executor.cast(), Parameter::ExecuteCost);
        let pc = ptr::with_exposed_provenance_mut(instruction as usize);
        let frame = ptr::with_exposed_provenance_mut(frame as usize);
        let sp = ptr::with_exposed_provenance_mut(sp as usize);
        let cs = ptr::with_exposed_provenance_mut(stream as usize);
        let at = State { pc, sp, frame, cx, cs };
        if !graph::is_quiet() {
            // Execution may go from executor to executor for a long time. Any code may run here, as it may in the instruction.
            at.save_ip();
            graph::empty_graveyard();
        }
        tier2::step(at);
        // If tools were switched on, that stops all executors, this one included.
        Context::refresh(cx);
    }
}

extern "C-unwind" fn side_exit(state: *mut ExecState) -> *const u8 {
    // SAFETY: as above.
    unsafe { Run::side_exit(state) }
}

/// The thread that executes.
#[inline(always)]
unsafe fn thread_of(state: *mut ExecState) -> *mut ThreadState {
    // SAFETY: as above.
    unsafe { (*run_of(state).context()).tstate }
}

/// Something was called with this result, which may be null. If tools were switched on, that stops all executors, this one included.
#[inline(always)]
unsafe fn called(state: *mut ExecState, result: *mut PyObject) -> u64 {
    // SAFETY: as above.
    unsafe {
        let cx = run_of(state).context();
        let result = calls::called((*cx).tstate, result);
        Context::refresh(cx);
        result.expose_provenance() as u64
    }
}

#[inline(always)]
fn helper(helper: Helper, args: &[Register<Obj>]) -> u64 {
    // SAFETY: the superblock was verified: it passes what the table of helpers says.
    bits(&unsafe { calls::call(helper, args) })
}

fn obj(object: Object) -> Register<Obj> {
    Register::Obj(nullable(object))
}

/// Functions for helpers, by the shape of their arguments.
macro_rules! helpers {
    ($($shape:ident: $($helper:ident)*;)*) => {
        fn helper_functions() -> [*const c_void; Helper::ALL.len()] {
            let mut functions = [ptr::null(); Helper::ALL.len()];
            for &helper in Helper::ALL {
                functions[helper as usize] = match helper {
                    $($(Helper::$helper => helpers!(@function $shape $helper),)*)*
                };
            }
            functions
        }
    };
    (@function one $helper:ident) => {{
        extern "C-unwind" fn f(_: *mut ExecState, a: Object) -> u64 { helper(Helper::$helper, &[obj(a)]) }
        f as *const c_void
    }};
    (@function two $helper:ident) => {{
        extern "C-unwind" fn f(_: *mut ExecState, a: Object, b: Object) -> u64 {
            helper(Helper::$helper, &[obj(a), obj(b)])
        }
        f as *const c_void
    }};
    (@function three $helper:ident) => {{
        extern "C-unwind" fn f(_: *mut ExecState, a: Object, b: Object, c: Object) -> u64 {
            helper(Helper::$helper, &[obj(a), obj(b), obj(c)])
        }
        f as *const c_void
    }};
    (@function four $helper:ident) => {{
        extern "C-unwind" fn f(_: *mut ExecState, a: Object, b: Object, c: Object, d: Object) -> u64 {
            helper(Helper::$helper, &[obj(a), obj(b), obj(c), obj(d)])
        }
        f as *const c_void
    }};
    (@function operator $helper:ident) => {{
        extern "C-unwind" fn f(_: *mut ExecState, a: Object, b: Object, n: i64) -> u64 {
            helper(Helper::$helper, &[obj(a), obj(b), Register::I64(n)])
        }
        f as *const c_void
    }};
    (@function numbered $helper:ident) => {{
        extern "C-unwind" fn f(_: *mut ExecState, a: Object, n: i64) -> u64 {
            helper(Helper::$helper, &[obj(a), Register::I64(n)])
        }
        f as *const c_void
    }};
    (@function in_place $helper:ident) => {{
        extern "C-unwind" fn f(state: *mut ExecState, a: Object, b: Object, more: *mut u64, count: u64) -> u64 {
            // SAFETY: so many arguments lie there, and there is room for one in front of them. Other machine code that runs meanwhile
            // has a state of its own.
            unsafe {
                let args = more.cast::<*mut PyObject>().sub(1);
                *args = b.cast();
                calls::call_many(Helper::$helper, thread_of(state), a.cast(), args, count as usize + 1).expose_provenance() as u64
            }
        }
        f as *const c_void
    }};
    (@function names $helper:ident) => {{
        extern "C-unwind" fn f(_: *mut ExecState, a: Object, _: Object, more: *mut u64, count: u64) -> u64 {
            // SAFETY: so many arguments lie there.
            unsafe { calls::keys_are(a.cast(), core::slice::from_raw_parts(more.cast(), count as usize)).into() }
        }
        f as *const c_void
    }};
    (@function calling $helper:ident) => {{
        extern "C-unwind" fn f(state: *mut ExecState, a: Object, b: Object, more: *mut u64, count: u64) -> u64 {
            // SAFETY: as above.
            unsafe {
                let args = more.cast::<*mut PyObject>().sub(1);
                *args = b.cast();
                called(state, calls::call_many(Helper::$helper, thread_of(state), a.cast(), args, count as usize + 1))
            }
        }
        f as *const c_void
    }};
    (@function calling_any $helper:ident) => {{
        extern "C-unwind" fn f(state: *mut ExecState, a: Object, b: Object, more: *mut u64, count: u64) -> u64 {
            // SAFETY: as above; the references pass on.
            unsafe {
                let args = more.cast::<*mut PyObject>().sub(1);
                *args = b.cast();
                let cx = run_of(state).context();
                called(state, call_any(cx, a.cast(), args, count as usize + 1))
            }
        }
        f as *const c_void
    }};
    (@function calling_with_names $helper:ident) => {{
        extern "C-unwind" fn f(state: *mut ExecState, a: Object, b: Object, more: *mut u64, count: u64) -> u64 {
            // SAFETY: as above.
            unsafe {
                called(state, calls::call_named(a.cast(), b.cast(), more.cast(), count as usize))
            }
        }
        f as *const c_void
    }};
    (@function doubles $helper:ident) => {{
        extern "C-unwind" fn f(_: *mut ExecState, a: f64, b: f64) -> f64 {
            f64::from_bits(helper(Helper::$helper, &[Register::F64(a), Register::F64(b)]))
        }
        f as *const c_void
    }};
}

helpers! {
    one: UnaryNegative IsTrue Length GetIter Next QuietIter QuietTruth IterFinish QuietNext IterDone EnumerateIter EnumerateNumber Identity TupleOfList OwnDict HasRoom StrHash;
    two: ContainsOp GetItem GetAttr Enter ListAppend ListConcat StrConcat StrEq IntAdd Lookup Member Storable InstanceLacks HasAttribute AnyAttribute AnyInstance QuietFormat NewFunction
        DictDelete DictFill SetAdd SetDiscard SliceItem ListExtend ListRemove EnumerateKeep BoundSelf BindBuiltin;
    three: SetItem SetAttr Slice LookupOr DictStore NameStore StoreAny DequeAppend;
    operator: BinaryOp CompareOp QuietBinary QuietCompare Search InstanceDict MemberHashed LookupHashed KeyedItem SetFunctionAttribute;
    numbered: QuietConvert;
    four: StoreSlice ExchangeSlice SliceStep;
    names: KeysAre;
    in_place: QuietCall JoinStrings BuildMap;
    calling: Call;
    calling_any: CallAny;
    calling_with_names: CallKw;
    doubles: FloatPow;
}

/// The table for the code generator.
pub(super) fn host_functions() -> HostFunctions {
    let (is_list_iter_done, is_tuple_iter_done, is_range_iter_done) = (is_iter_done, is_iter_done, is_iter_done);
    HostFunctions {
        load_local,
        load_stack,
        load_globals,
        load_builtins,
        spill_local,
        spill_stack,
        push_frame,
        pop_frame,
        return_value,
        land,
        give_back,
        dealloc_returning,
        publish,
        withdraw,
        settle,
        dealloc_published,
        type_of,
        type_version,
        class_version,
        keys_version,
        shared_keys_version,
        instance_keys_version,
        global_version,
        function_version,
        is_compact,
        is_wide,
        has_inline_values,
        has_no_dict,
        is_shared,
        is_valid,
        is_periodic_due,
        is_plain_frame,
        has_stack_space,
        unbox_i64,
        unbox_wide,
        box_i64,
        unbox_f64,
        box_f64,
        unbox_bool,
        box_bool,
        load_inline,
        store_inline,
        load_slot,
        store_slot,
        list_len,
        list_items,
        load_item,
        store_item,
        tuple_len,
        load_tuple_item,
        typecode,
        array_len,
        array_elements,
        inner_elements,
        load_element_i64,
        load_element_f64,
        store_element_i64,
        store_element_f64,
        load_cell,
        store_cell,
        load_dict_value,
        store_dict_value,
        module_dict,
        incref,
        decref,
        decref_no_dealloc,
        dealloc_simple,
        build,
        new_instance,
        list_iter_next,
        tuple_iter_next,
        range_iter_next,
        is_list_iter_done,
        is_tuple_iter_done,
        is_range_iter_done,
        is_suspended_at,
        is_untracked,
        load_generator,
        store_generator,
        generator_globals,
        generator_builtins,
        resume_generator,
        suspend_generator,
        push_generator,
        pop_generator,
        is_caller_at,
        unlink_first,
        finish_generator,
        new_generator,
        execute,
        has_landed,
        side_exit,
        helpers: helper_functions(),
    }
}
