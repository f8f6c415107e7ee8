//! C functions of which it is known that they run no other code, given arguments of such types.
//!
//! `FUNCTIONS` is the one list of them. What it says of an argument is tested here and guarded in the superblock
//! (`builtin_calls.rs`). Left out is whatever can reach a method of a class (what compares or hashes items of a container), asks for
//! audit hooks, looks for codecs, checks for signals (the multiplication and division of large ints, their conversion to and from
//! text), or drops references to what it does not know.

use crate::facts;
use core::ffi::CStr;
use core::ptr;
use hotspur_cpython_sys::ffi::{PyObject, PyTypeObject};
use hotspur_cpython_sys::*;

/// What an argument may be.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Arg {
    /// Exactly an int, float or bool.
    Number,
    /// Exactly an int or bool.
    Int,
    /// Exactly a str.
    Str,
    /// Exactly a bytes object.
    Bytes,
    /// Exactly a float.
    Float,
    /// Exactly an int below 2^60, or a bool.
    Small,
    /// Exactly a str, float or bool, or None.
    Simple,
    /// Exactly a list or tuple, whose items are not looked at, or are to be strings.
    Sequence,
    /// What is iterated over without running code, or such an iterator; exactly of these types.
    Iterable,
    /// Exactly a container of the built-in types, a range, or a deque.
    Sized,
    /// A class whose metaclass is `type`.
    Class,
    /// The name of an encoding that is built in, as it is spelled in `ENCODINGS`; a constant of the code.
    Encoding,
    /// Anything: it is passed on.
    Any,
}

/// Where a function is found.
#[derive(Clone, Copy)]
pub(super) enum Owner {
    Module(&'static CStr),
    Type(fn() -> *mut PyTypeObject),
    /// A type that a C module makes when it is imported: the module's name, and the type's.
    TypeOf(&'static CStr, &'static CStr),
}

pub(super) struct Function {
    owner: Owner,
    /// Its names; one of a type's own means that the type is called.
    names: &'static [&'static CStr],
    /// What is passed besides the receiver.
    pub args: &'static [Arg],
    /// How many of them must be there.
    required: usize,
}

const fn f(owner: Owner, names: &'static [&'static CStr], args: &'static [Arg], required: usize) -> Function {
    Function { owner, names, args, required }
}

pub(super) const BUILTINS: Owner = Owner::Module(c"builtins");
const TIME: Owner = Owner::Module(c"time");
pub(super) const MATH: Owner = Owner::Module(c"math");
const OPERATOR: Owner = Owner::Module(c"_operator");
const DEQUE: Owner = Owner::TypeOf(c"_collections", c"collections.deque");
const MATCH: Owner = Owner::TypeOf(c"_sre", c"re.Match");
const RANDOM: Owner = Owner::TypeOf(c"_random", c"_random.Random");
pub(super) const INT: Owner = Owner::Type(|| &raw mut ffi::PyLong_Type);
pub(super) const FLOAT: Owner = Owner::Type(|| &raw mut ffi::PyFloat_Type);
const STR: Owner = Owner::Type(|| &raw mut ffi::PyUnicode_Type);
const BYTES: Owner = Owner::Type(|| &raw mut ffi::PyBytes_Type);
const LIST: Owner = Owner::Type(|| &raw mut ffi::PyList_Type);
const TUPLE: Owner = Owner::Type(|| &raw mut ffi::PyTuple_Type);
const DICT: Owner = Owner::Type(|| &raw mut ffi::PyDict_Type);
const SET: Owner = Owner::Type(|| &raw mut ffi::PySet_Type);
const RANGE: Owner = Owner::Type(|| &raw mut ffi::PyRange_Type);
const ZIP: Owner = Owner::Type(|| &raw mut PyZip_Type);
const REVERSED: Owner = Owner::Type(|| &raw mut ffi::PyReversed_Type);
const ENUMERATE: Owner = Owner::Type(|| &raw mut ffi::PyEnum_Type);

/// No codec is looked for when these are named.
const ENCODINGS: [&CStr; 6] = [c"utf-8", c"utf8", c"UTF-8", c"ascii", c"latin-1", c"latin1"];

use Arg::{Any, Bytes, Class, Encoding, Float as Double, Int, Iterable, Number, Sequence, Simple, Sized, Small, Str};

/// Methods that strings and bytes have, without arguments.
const BARE: &[&CStr] = &[
    c"lower",
    c"upper",
    c"isdigit",
    c"isalpha",
    c"isalnum",
    c"isspace",
    c"isupper",
    c"islower",
    c"isascii",
    c"strip",
    c"lstrip",
    c"rstrip",
    c"split",
    c"rsplit",
    c"splitlines",
];

/// The same with one of their kind.
const SEARCHES: &[&CStr] = &[
    c"startswith",
    c"endswith",
    c"find",
    c"rfind",
    c"index",
    c"rindex",
    c"count",
    c"strip",
    c"lstrip",
    c"rstrip",
    c"split",
    c"rsplit",
    c"partition",
    c"rpartition",
    c"removeprefix",
    c"removesuffix",
];

static FUNCTIONS: &[Function] = &[
    f(BUILTINS, &[c"abs", c"round", c"hash", c"callable"], &[Number], 1),
    f(BUILTINS, &[c"hash", c"repr", c"callable"], &[Simple], 1),
    f(BUILTINS, &[c"repr"], &[Small], 1),
    f(BUILTINS, &[c"chr"], &[Int], 1),
    f(BUILTINS, &[c"ord"], &[Str], 1),
    f(BUILTINS, &[c"ord"], &[Bytes], 1),
    f(BUILTINS, &[c"min", c"max"], &[Number, Number, Number, Number], 2),
    f(BUILTINS, &[c"divmod", c"pow"], &[Double, Double], 2),
    f(BUILTINS, &[c"round"], &[Double, Int], 2),
    f(BUILTINS, &[c"len"], &[Sized], 1),
    f(BUILTINS, &[c"issubclass"], &[Class, Class], 2),
    f(BUILTINS, &[c"iter"], &[Iterable], 1),
    f(
        MATH,
        &[
            c"sqrt",
            c"sin",
            c"cos",
            c"tan",
            c"asin",
            c"acos",
            c"atan",
            c"exp",
            c"log",
            c"log2",
            c"log10",
            c"floor",
            c"ceil",
            c"trunc",
            c"fabs",
            c"isnan",
            c"isinf",
            c"isfinite",
            c"degrees",
            c"radians",
        ],
        &[Number],
        1,
    ),
    f(MATH, &[c"atan2", c"pow", c"hypot", c"fmod", c"copysign", c"log"], &[Number, Number], 2),
    f(
        TIME,
        &[c"time", c"time_ns", c"perf_counter", c"perf_counter_ns", c"monotonic", c"monotonic_ns", c"process_time"],
        &[],
        0,
    ),
    f(OPERATOR, &[c"index"], &[Int], 1),
    f(RANDOM, &[c"random"], &[], 0),
    f(RANDOM, &[c"getrandbits"], &[Small], 1),
    f(INT, &[c"bit_length", c"bit_count"], &[], 0),
    f(FLOAT, &[c"is_integer"], &[], 0),
    f(STR, BARE, &[], 0),
    f(STR, &[c"title", c"capitalize", c"swapcase", c"isidentifier", c"isdecimal", c"isnumeric"], &[], 0),
    f(STR, SEARCHES, &[Str], 1),
    f(STR, &[c"find", c"rfind", c"count", c"startswith", c"endswith"], &[Str, Int, Int], 2),
    f(STR, &[c"split", c"rsplit"], &[Str, Int], 2),
    f(STR, &[c"replace"], &[Str, Str, Int], 2),
    f(STR, &[c"join", c"startswith", c"endswith"], &[Sequence], 1),
    f(STR, &[c"zfill", c"ljust", c"rjust", c"center"], &[Int, Str], 1),
    f(STR, &[c"casefold", c"expandtabs", c"isprintable", c"istitle"], &[], 0),
    f(STR, &[c"encode"], &[Encoding], 0),
    f(BYTES, &[c"decode"], &[Encoding], 0),
    f(BYTES, BARE, &[], 0),
    f(BYTES, &[c"hex"], &[], 0),
    f(BYTES, SEARCHES, &[Bytes], 1),
    f(BYTES, &[c"find", c"rfind", c"count", c"startswith", c"endswith"], &[Bytes, Int, Int], 2),
    f(BYTES, &[c"split", c"rsplit"], &[Bytes, Int], 2),
    f(BYTES, &[c"replace"], &[Bytes, Bytes, Int], 2),
    f(LIST, &[c"pop", c"copy", c"reverse"], &[], 0),
    f(LIST, &[c"pop"], &[Int], 1),
    f(LIST, &[c"insert"], &[Int, Any], 2),
    f(LIST, &[c"extend"], &[Sequence], 1),
    f(DICT, &[c"items", c"keys", c"values", c"copy"], &[], 0),
    f(SET, &[c"copy"], &[], 0),
    f(MATCH, &[c"start", c"end", c"span", c"group", c"groups"], &[], 0),
    f(MATCH, &[c"start", c"end", c"span", c"group"], &[Small], 1),
    f(MATCH, &[c"group"], &[Str], 1),
    f(DEQUE, &[c"pop", c"popleft"], &[], 0),
    // Types.
    f(INT, &[c"int"], &[Number], 0),
    f(FLOAT, &[c"float"], &[Number], 0),
    f(FLOAT, &[c"float"], &[Str], 1),
    f(STR, &[c"str"], &[Simple], 0),
    f(STR, &[c"str"], &[Small], 1),
    f(LIST, &[c"list"], &[Sequence], 0),
    f(TUPLE, &[c"tuple"], &[Sequence], 0),
    f(DICT, &[c"dict"], &[], 0),
    f(SET, &[c"set"], &[], 0),
    f(RANGE, &[c"range"], &[Small, Small, Small], 1),
    f(ENUMERATE, &[c"enumerate"], &[Iterable, Int], 1),
    f(REVERSED, &[c"reversed"], &[Iterable], 1),
    f(ZIP, &[c"zip"], &[Iterable, Iterable, Iterable, Iterable], 1),
];

impl Function {
    /// Whether what the row says of a method holds for an instance of a subclass as well: nothing that a class can have of its own is asked for.
    pub unsafe fn accepts_instance_of_subclass(&self, method: *mut PyObject, receiver: *mut PyObject) -> bool {
        let owner = (*method.cast::<PyMethodDescrObject>()).d_type;
        let holds = matches!(self.owner, Owner::TypeOf(..)) || ptr::eq(owner, &raw mut ffi::PyList_Type);
        holds && facts::has_version(ty(receiver)) && ffi::PyType_IsSubtype(ty(receiver), owner) != 0
    }
}

impl Arg {
    unsafe fn accepts(self, op: *mut PyObject) -> bool {
        let is = |t: *mut PyTypeObject| ptr::eq(ty(op), t);
        let is_int = is(&raw mut ffi::PyLong_Type) || is(&raw mut ffi::PyBool_Type);
        match self {
            Arg::Int => is_int,
            Arg::Number => is_int || is(&raw mut ffi::PyFloat_Type),
            Arg::Str => is(&raw mut ffi::PyUnicode_Type),
            Arg::Bytes => is(&raw mut ffi::PyBytes_Type),
            Arg::Float => facts::is_float(op),
            Arg::Small => is_int && long_is_wide(op),
            Arg::Simple => {
                let is_truth = is(&raw mut ffi::PyBool_Type);
                is_truth || Arg::Float.accepts(op) || Arg::Str.accepts(op) || op == ffi::Py_None()
            }
            Arg::Sequence => is(&raw mut ffi::PyList_Type) || is(&raw mut ffi::PyTuple_Type),
            Arg::Iterable => {
                let others = [
                    &raw mut ffi::PyDict_Type,
                    &raw mut ffi::PyRange_Type,
                    &raw mut ffi::PyDictKeys_Type,
                    &raw mut ffi::PyDictValues_Type,
                    &raw mut ffi::PyDictItems_Type,
                    &raw mut PyListIter_Type,
                    &raw mut PyTupleIter_Type,
                    &raw mut PyRangeIter_Type,
                    &raw mut ffi::PyEnum_Type,
                    &raw mut PyZip_Type,
                ];
                Arg::Sequence.accepts(op) || others.iter().any(|&t| is(t)) || is_dict_iter_type(ty(op))
            }
            Arg::Sized => {
                Arg::Sequence.accepts(op)
                    || Arg::Str.accepts(op)
                    || Arg::Bytes.accepts(op)
                    || is(&raw mut ffi::PyDict_Type)
                    || is(&raw mut ffi::PySet_Type)
                    || is(&raw mut ffi::PyFrozenSet_Type)
                    || is(&raw mut ffi::PyByteArray_Type)
                    || is(&raw mut ffi::PyRange_Type)
                    || super::deques::is_deque(op)
            }
            Arg::Class => is(&raw mut ffi::PyType_Type),
            Arg::Encoding => {
                let is_named = |name: &&CStr| ffi::PyUnicode_CompareWithASCIIString(op, name.as_ptr()) == 0;
                Arg::Str.accepts(op) && ENCODINGS.iter().any(is_named)
            }
            Arg::Any => true,
        }
    }
}

/// A module's name, or a type.
type Found = Result<*mut PyObject, *mut PyTypeObject>;

impl Owner {
    pub(super) unsafe fn is(self, found: Found) -> bool {
        match (self, found) {
            (Owner::Module(wanted), Ok(module)) => is_named(module, wanted),
            (Owner::Type(wanted), Err(found)) => wanted() == found,
            (Owner::TypeOf(module, wanted), Err(found)) => is_type_of(found, module, wanted),
            _ => false,
        }
    }
}

/// Where a callable is found, and its name; none if it is no C function of a module or built-in type.
pub(super) unsafe fn identify(callable: *mut PyObject) -> Option<(Found, *const core::ffi::c_char)> {
    let t = ty(callable);
    if t == &raw mut ffi::PyCFunction_Type {
        let function = callable.cast::<PyCFunctionObject>();
        let this = (*function).m_self;
        let is_module = !this.is_null() && is_type(this, &raw mut ffi::PyModule_Type);
        return (is_module && !(*function).m_module.is_null())
            .then(|| (Ok((*function).m_module), (*(*function).m_ml).ml_name));
    }
    if t == &raw mut PyMethodDescr_Type {
        let method = callable.cast::<PyMethodDescrObject>();
        return Some((Err((*method).d_type), (*(*method).d_method).ml_name));
    }
    if t == &raw mut ffi::PyType_Type && facts::is_static(callable.cast()) {
        return Some((Err(callable.cast()), (*callable.cast::<PyTypeObject>()).tp_name));
    }
    None
}

unsafe fn is_named(module: *mut PyObject, name: &CStr) -> bool {
    ffi::PyUnicode_Check(module) != 0 && ffi::PyUnicode_CompareWithASCIIString(module, name.as_ptr()) == 0
}

/// Whether this is the type with this name that a C module with that name has made.
pub(super) unsafe fn is_type_of(class: *mut PyTypeObject, module: &CStr, name: &CStr) -> bool {
    if !has_feature(class, TPFLAGS_HEAPTYPE) || CStr::from_ptr((*class).tp_name) != name {
        return false;
    }
    let maker = ffi::PyType_GetModule(class);
    if maker.is_null() {
        ffi::PyErr_Clear();
        return false;
    }
    let definition = ffi::PyModule_GetDef(maker);
    !definition.is_null() && CStr::from_ptr((*definition).m_name) == module
}

/// Whether this is the function or method with this name that is found there.
pub(super) unsafe fn is_function(callable: *mut PyObject, owner: Owner, wanted: &CStr) -> bool {
    matches!(identify(callable), Some((found, name)) if CStr::from_ptr(name) == wanted && owner.is(found))
}

/// Whether this is the built-in function with this name.
pub(super) unsafe fn is_builtin(callable: *mut PyObject, wanted: &CStr) -> bool {
    is_function(callable, BUILTINS, wanted)
}

/// The row that says that the callable runs no other code with these arguments, besides a receiver of its own type.
pub(super) unsafe fn quiet(callable: *mut PyObject, args: &[*mut PyObject]) -> Option<&'static Function> {
    let (owner, name) = identify(callable)?;
    let name = CStr::from_ptr(name);
    FUNCTIONS.iter().find(|row| {
        row.owner.is(owner)
            && row.names.contains(&name)
            && (row.required..=row.args.len()).contains(&args.len())
            && row.args.iter().zip(args).all(|(wanted, &arg)| wanted.accepts(arg))
    })
}

/// Whether an object is hashed and compared without running code because of what exactly its type is.
pub(super) unsafe fn is_key(op: *mut PyObject) -> bool {
    Arg::Simple.accepts(op) || Arg::Int.accepts(op) || is_type(op, &raw mut ffi::PyType_Type)
}
