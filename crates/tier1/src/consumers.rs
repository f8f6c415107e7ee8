//! Consumers of generators: `any(x for ...)`, `sum(f(n))`, `", ".join(...)`, `list(...)`, ...
//!
//! CPython's C code asks the generator for each item, which is an activation each time: slow, and a border for traces. Here the frame of a
//! small Python function takes the place of the C function, as [`crate::shims`] do around the methods of operators: nobody sees it, it
//! does not count for the recursion limit, and what it does is what C code would do, down to when an item is dropped. The generator's frame
//! is then entered as by any loop over it.
//!
//! Each generator function (or expression) gets copies of its own of the functions that consume it. So the loop in a copy is specialized for that
//! generator, and an executor that begins there knows whose frame it enters.
//!
//! Events (signals, the collector, other threads) are not served at a shim's back-edges, but where C code would come to it: at the
//! generator's next RESUME.

use crate::code::{self, CodeState};
use crate::dispatch::{Ret, State};
use crate::frames;
use crate::shims;
use crate::table::op;
use core::cell::UnsafeCell;
use core::ffi::CStr;
use core::ptr;
use ffi::PyObject;
use hotspur_cpython_sys::*;

const SOURCE: &CStr = {
    match CStr::from_bytes_with_nul(concat!(include_str!("consumers.py"), "\0").as_bytes()) {
        Ok(source) => source,
        Err(_) => panic!("the source holds no null"),
    }
};

/// Where a function is found that consumes its last argument.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Owner {
    /// It is one of the built-in functions and types.
    Builtins,
    /// It is a method of `str`; the receiver is its first operand.
    Str,
    /// It is a method of generators; the generator is the receiver.
    Generator,
}

/// The functions, and those in the source that take their place.
const FUNCTIONS: &[(Owner, &CStr, &CStr)] = &[
    (Owner::Builtins, c"any", c"any_of"),
    (Owner::Builtins, c"all", c"all_of"),
    (Owner::Builtins, c"sum", c"sum_of"),
    (Owner::Builtins, c"min", c"min_of"),
    (Owner::Builtins, c"max", c"max_of"),
    (Owner::Builtins, c"list", c"list_of"),
    (Owner::Builtins, c"tuple", c"tuple_of"),
    (Owner::Builtins, c"set", c"set_of"),
    (Owner::Builtins, c"sorted", c"sorted_of"),
    (Owner::Str, c"join", c"joined_of"),
    (Owner::Builtins, c"next", c"next_of"),
    (Owner::Generator, c"send", c"send_of"),
];

const COUNT: usize = FUNCTIONS.len();

/// A function that takes the place of C code for one generator function.
#[derive(Clone, Copy)]
pub struct Consumer {
    /// Owned by the [`CodeState`] of the generator function's code; null: not made yet.
    pub function: *mut PyFunctionObject,
    /// Its code.
    pub cs: *mut CodeState,
}

/// A generator function's consumers, in the order of [`FUNCTIONS`].
pub(crate) type Consumers = [Consumer; COUNT];

/// What all copies are made of.
struct Originals {
    /// What programs call.
    callables: [*mut PyObject; COUNT],
    functions: [*mut PyFunctionObject; COUNT],
}

struct Global(UnsafeCell<Option<Originals>>);
// SAFETY: written once by `initialize`, otherwise read with the GIL held.
unsafe impl Sync for Global {}
static ORIGINALS: Global = Global(UnsafeCell::new(None));

unsafe fn originals() -> Option<&'static Originals> {
    (*ORIGINALS.0.get()).as_ref()
}

impl Owner {
    /// Where the generator is, counted from the top of the stack.
    fn generator_at(self) -> usize {
        if self == Owner::Generator { 2 } else { 1 }
    }
}

/// The number of the function that a CALL calls, if that is one of them, called as such with a generator.
pub(crate) unsafe fn number(s: State) -> Option<usize> {
    let generator = &raw mut PyGen_Type;
    if s.oparg() != 1 || !is_type(s.peek(1), generator) && (s.peek(2).is_null() || !is_type(s.peek(2), generator)) {
        return None;
    }
    let callable = s.peek(3);
    let i = originals()?.callables.iter().position(|&c| c == callable)?;
    let owner = FUNCTIONS[i].0;
    let has_receiver = !s.peek(2).is_null();
    let is_called_as_such = has_receiver == (owner != Owner::Builtins);
    (is_called_as_such && is_type(s.peek(owner.generator_at()), generator)).then_some(i)
}

/// Where CALL_CONSUMER has the generator, counted from the top of the stack.
#[inline(always)]
pub unsafe fn generator_at(s: State) -> usize {
    FUNCTIONS[*s.cache(1) as usize % COUNT].0.generator_at()
}

/// Whether the CALL, which is specialized for this function, consumes a generator that can be entered.
#[inline(always)]
unsafe fn consumes(s: State) -> bool {
    let owner = FUNCTIONS[*s.cache(1) as usize % COUNT].0;
    let receiver = s.peek(2);
    let is_called_as_such = match owner {
        Owner::Builtins => receiver.is_null(),
        Owner::Str => !receiver.is_null() && ty(receiver) == &raw mut ffi::PyUnicode_Type,
        Owner::Generator => !receiver.is_null(),
    };
    if !is_called_as_such || *s.cache(2) != s.peek(3) as u64 || !s.hook_is_ours() {
        return false;
    }
    let generator = s.peek(owner.generator_at()).cast::<PyGenObject>();
    ty(generator.cast()) == &raw mut PyGen_Type
        && (*generator).gi_frame_state < FRAME_EXECUTING
        // One that has not begun can be sent nothing but None, which is seldom done.
        && (owner != Owner::Generator || (*generator).gi_frame_state != FRAME_CREATED)
}

/// What CALL_CONSUMER enters with the operands that are on the stack; none if it does what CALL does.
#[inline(always)]
pub unsafe fn consumer(s: State) -> Option<Consumer> {
    if !consumes(s) {
        return None;
    }
    let cs = code::known_state_of(frame_code(generator_frame(s.peek(generator_at(s)).cast())));
    if !cs.is_null() && !(*cs).consumers.is_null() {
        let known = (*(*cs).consumers)[*s.cache(1) as usize % COUNT];
        if !known.function.is_null() {
            return Some(known);
        }
    }
    make(s)
}

/// [`consumer`] for the first time that this generator function meets the function.
#[cold]
#[inline(never)]
unsafe fn make(s: State) -> Option<Consumer> {
    let cs = code::state_of(frame_code(generator_frame(s.peek(generator_at(s)).cast())));
    if cs.is_null() {
        return None;
    }
    let i = *s.cache(1) as usize % COUNT;
    let original = originals()?.functions[i];
    let function = copy(original);
    if function.is_null() {
        ffi::PyErr_Clear();
        return None;
    }
    let state = shims::hide((*function).func_code.cast());
    if state.is_null() {
        decref(function.cast());
        return None;
    }
    if (*cs).consumers.is_null() {
        let none = Consumer { function: ptr::null_mut(), cs: ptr::null_mut() };
        (*cs).consumers = Box::into_raw(Box::new([none; COUNT]));
    }
    let made = Consumer { function, cs: state };
    (*(*cs).consumers)[i] = made;
    Some(made)
}

/// Lets go of what [`make`] has made for code that dies.
pub(crate) unsafe fn free(consumers: *mut Consumers) {
    if !consumers.is_null() {
        for consumer in *Box::from_raw(consumers) {
            xdecref(consumer.function.cast());
        }
    }
}

impl State {
    /// CALL_CONSUMER: enters the frame of the consumer, whose first locals are the operands.
    #[inline(always)]
    pub(crate) unsafe fn enter_consumer(mut self, consumer: Consumer) -> Ret {
        let ts = self.tstate();
        let with_receiver = usize::from(!self.peek(2).is_null());
        let function = consumer.function;
        let frame = frames::push(ts, function, 2 + with_receiver);
        if frame.is_null() {
            return self.error();
        }
        incref(function.cast());
        let locals = frame_locals(frame);
        if with_receiver != 0 {
            locals.write_volatile(self.peek(2));
        }
        locals.add(with_receiver).write_volatile(self.peek(1));
        locals.add(with_receiver + 1).write_volatile(self.peek(3));
        self.shrink(3);
        self.save_ip();
        self.save_sp();
        (*self.frame).return_offset = u16::from(crate::table::LENGTH[usize::from(op::CALL)]);
        (*frame).previous = self.frame;
        (*ts).current_frame = frame;
        (*frame).stacktop = -1;
        let cs = consumer.cs;
        let sp = locals.offset((*(*cs).code).co_nlocalsplus as isize);
        State { pc: CodeState::words(cs), sp, frame, cx: self.cx, cs }.dispatch()
    }
}

// -- what C code does with machine integers

/// `sum` of two ints (or bools) that fit in 64 bits, if their sum does. None if not, or if the second is something else.
unsafe extern "C" fn add_ints(_: *mut PyObject, args: *mut *mut PyObject, _: isize) -> *mut PyObject {
    let (total, item) = (*args, *args.add(1));
    let is_int = is_type(item, &raw mut ffi::PyLong_Type) || is_type(item, &raw mut ffi::PyBool_Type);
    let sum = if is_int { as_i64(item).and_then(|item| as_i64(total)?.checked_add(item)) } else { None };
    match sum {
        Some(sum) => ffi::PyLong_FromLongLong(sum),
        None => newref(ffi::Py_None()),
    }
}

/// A float plus any int that fits in 64 bits. None if the second is something else.
unsafe extern "C" fn add_int(_: *mut PyObject, args: *mut *mut PyObject, _: isize) -> *mut PyObject {
    let (total, item) = (*args, *args.add(1));
    let value = if ffi::PyLong_Check(item) != 0 { as_i64(item) } else { None };
    match value {
        Some(value) => ffi::PyFloat_FromDouble(ffi::PyFloat_AS_DOUBLE(total) + value as f64),
        None => newref(ffi::Py_None()),
    }
}

unsafe fn as_i64(int: *mut PyObject) -> Option<i64> {
    let mut overflow = 0;
    let value = ffi::PyLong_AsLongLongAndOverflow(int, &raw mut overflow);
    (overflow == 0).then_some(value)
}

/// Gives a list of two to four items the room that CPython's has when it was made of an iterator: for the eight that it had guessed.
unsafe extern "C" fn fit(_: *mut PyObject, args: *mut *mut PyObject, _: isize) -> *mut PyObject {
    const GUESS: usize = 8;
    let list = (*args).cast::<PyListObject>();
    let items = ffi::PyMem_Realloc((*list).ob_item.cast(), GUESS * size_of::<*mut PyObject>());
    if items.is_null() {
        return ffi::PyErr_NoMemory();
    }
    (*list).ob_item = items.cast();
    (*list).allocated = GUESS as isize;
    newref(ffi::Py_None())
}

/// What `next` and `send` make of what a generator has returned.
unsafe extern "C" fn stopped(_: *mut PyObject, args: *mut *mut PyObject, _: isize) -> *mut PyObject {
    if *args == ffi::Py_None() {
        ffi::PyErr_SetNone(ffi::PyExc_StopIteration);
    } else {
        _PyGen_SetStopIterationValue(*args);
    }
    ptr::null_mut()
}

// -- setting up

/// Method definitions, which function objects refer to.
struct Definitions([ffi::PyMethodDef; 4]);
// SAFETY: never written.
unsafe impl Sync for Definitions {}
static DEFINITIONS: Definitions = Definitions([
    shims::definition(c"add_ints", add_ints),
    shims::definition(c"add_int", add_int),
    shims::definition(c"fit", fit),
    shims::definition(c"stopped", stopped),
]);

/// Makes the originals. Without them (the answer is false, and an exception may be set) C code consumes generators.
///
/// # Safety
/// GIL held; tier 1 is initialized.
pub(crate) unsafe fn initialize() -> bool {
    let globals = shims::execute(SOURCE, &DEFINITIONS.0);
    if globals.is_null() {
        return false;
    }
    let found = find(globals);
    // The functions, which stay, hold it too.
    decref(globals);
    let is_found = found.is_some();
    *ORIGINALS.0.get() = found;
    is_found
}

unsafe fn find(globals: *mut PyObject) -> Option<Originals> {
    let builtins = ffi::PyEval_GetBuiltins();
    let mut found = Originals { callables: [ptr::null_mut(); COUNT], functions: [ptr::null_mut(); COUNT] };
    for (i, (owner, name, own)) in FUNCTIONS.iter().enumerate() {
        let callable = match owner {
            Owner::Builtins => ffi::PyDict_GetItemString(builtins, name.as_ptr()),
            Owner::Str | Owner::Generator => {
                let name = ffi::PyUnicode_InternFromString(name.as_ptr());
                if name.is_null() {
                    return None;
                }
                let class = if *owner == Owner::Str { &raw mut ffi::PyUnicode_Type } else { &raw mut PyGen_Type };
                let found = _PyType_Lookup(class, name);
                decref(name);
                found
            }
        };
        let function = ffi::PyDict_GetItemString(globals, own.as_ptr());
        if callable.is_null() || function.is_null() {
            return None;
        }
        found.callables[i] = newref(callable);
        found.functions[i] = newref(function).cast();
        edit((*found.functions[i]).func_code.cast());
        match *own {
            own if own == c"next_of" => resume_once((*found.functions[i]).func_code.cast(), op::LOAD_CONST),
            own if own == c"send_of" => resume_once((*found.functions[i]).func_code.cast(), op::LOAD_FAST | 1 << 8),
            _ => {}
        }
    }
    Some(found)
}

/// Rewrites the code of an original: it does not begin with a RESUME (no events, no instrumentation; the caller's call may go on), and what
/// is stored in a variable and loaded from it in the next instruction stays on the stack.
unsafe fn edit(code: *mut PyCodeObject) {
    const OPCODE: u16 = 0xff;
    let units = code_units(code);
    let nop = op::NOP;
    *units = nop;
    for i in 0..size(code.cast()) as usize - 1 {
        let (unit, next) = (*units.add(i), *units.add(i + 1));
        let (a, b) = (unit & OPCODE, next & OPCODE);
        let (arg, next_arg) = (unit >> 8, next >> 8);
        if a == op::STORE_FAST_LOAD_FAST && arg >> 4 == arg & 15 {
            *units.add(i) = nop;
        } else if a == op::STORE_FAST && b == op::LOAD_FAST && arg == next_arg && is_blank(code, arg) {
            (*units.add(i), *units.add(i + 1)) = (nop, nop);
        }
    }
}

/// Rewrites the code of an original that resumes its generator once, as far as it is edited: what `load` loads (the first constant, None; or the second
/// parameter) is sent to the generator, and what that returns goes into the last parameter.
unsafe fn resume_once(code: *mut PyCodeObject, load: u16) {
    const OPCODE: u16 = 0xff;
    let units = code_units(code);
    let result = (*code).co_argcount as u16 - 1;
    debug_assert_eq!(tuple_item((*code).co_consts, 0), ffi::Py_None());
    let mut i = 0;
    while i < size(code.cast()) as usize {
        let unit = units.add(i);
        match *unit & OPCODE {
            op::GET_ITER => *unit = load,
            op::FOR_ITER => *unit = op::SEND | *unit & !OPCODE,
            op::END_FOR => {
                *unit = op::END_SEND;
                *unit.add(1) = op::STORE_FAST | result << 8;
            }
            _ => {}
        }
        i += usize::from(crate::table::LENGTH[usize::from(*units.add(i) & OPCODE)]);
    }
}

/// Whether the local with this number is called `_`.
unsafe fn is_blank(code: *mut PyCodeObject, local: u16) -> bool {
    let name = tuple_item((*code).co_localsplusnames, usize::from(local));
    ffi::PyUnicode_CompareWithASCIIString(name, c"_".as_ptr()) == 0
}

/// A function like this one, with code of its own; null, with an exception set, if memory ran out.
unsafe fn copy(function: *mut PyFunctionObject) -> *mut PyFunctionObject {
    let code = (*function).func_code.cast::<PyCodeObject>();
    let bytes = PyCode_GetCode(code);
    let names = PyCode_GetVarnames(code);
    let none = ffi::PyTuple_New(0);
    let mut made = ptr::null_mut();
    if !bytes.is_null() && !names.is_null() && !none.is_null() {
        let copied = PyUnstable_Code_New(
            (*code).co_argcount,
            0,
            (*code).co_nlocalsplus,
            (*code).co_stacksize,
            (*code).co_flags,
            bytes,
            (*code).co_consts,
            (*code).co_names,
            names,
            none,
            none,
            (*code).co_filename,
            (*code).co_name,
            (*code).co_qualname,
            (*code).co_firstlineno,
            (*code).co_linetable,
            (*code).co_exceptiontable,
        );
        if !copied.is_null() {
            made = ffi::PyFunction_New(copied.cast(), (*function).func_globals);
            decref(copied.cast());
        }
    }
    xdecref(bytes);
    xdecref(names);
    xdecref(none);
    made.cast()
}
