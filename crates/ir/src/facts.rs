//! What an optimizer may ask about objects.

use crate::entities::{CodeRef, ObjRef};

/// A built-in type that the optimizer knows. None of them can be changed, no instance of exactly that type can get another
/// type, and none can be subclassed in a way that concerns exact instances.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[allow(missing_docs, reason = "types are what they are in Python")]
pub enum Builtin {
    Int,
    Float,
    Bool,
    Str,
    NoneType,
    Tuple,
    List,
    Slice,
    Range,
    Method,
    Cell,
    Function,
    Type,
    Dict,
    Module,
    ListIter,
    TupleIter,
    RangeIter,
    Generator,
    Coroutine,
}

impl Builtin {
    /// Every one.
    pub const ALL: [Builtin; 20] = [
        Builtin::Int,
        Builtin::Float,
        Builtin::Bool,
        Builtin::Str,
        Builtin::NoneType,
        Builtin::Tuple,
        Builtin::List,
        Builtin::Slice,
        Builtin::Range,
        Builtin::Method,
        Builtin::Cell,
        Builtin::Function,
        Builtin::Type,
        Builtin::Dict,
        Builtin::Module,
        Builtin::ListIter,
        Builtin::TupleIter,
        Builtin::RangeIter,
        Builtin::Generator,
        Builtin::Coroutine,
    ];

    /// Its `__name__`.
    pub const fn name(self) -> &'static str {
        match self {
            Builtin::Int => "int",
            Builtin::Float => "float",
            Builtin::Bool => "bool",
            Builtin::Str => "str",
            Builtin::NoneType => "NoneType",
            Builtin::Tuple => "tuple",
            Builtin::List => "list",
            Builtin::Slice => "slice",
            Builtin::Range => "range",
            Builtin::Method => "method",
            Builtin::Cell => "cell",
            Builtin::Function => "function",
            Builtin::Type => "type",
            Builtin::Dict => "dict",
            Builtin::Module => "module",
            Builtin::ListIter => "list_iterator",
            Builtin::TupleIter => "tuple_iterator",
            Builtin::Generator => "generator",
            Builtin::Coroutine => "coroutine",
            Builtin::RangeIter => "range_iterator",
        }
    }

    /// Whether freeing an instance of exactly this type runs no code.
    pub const fn dies_quietly(self) -> bool {
        matches!(self, Builtin::Int | Builtin::Float | Builtin::Str | Builtin::Range | Builtin::RangeIter)
            || self.is_immortal()
    }

    /// Whether references to its instances are not counted.
    pub const fn is_immortal(self) -> bool {
        matches!(self, Builtin::Bool | Builtin::NoneType)
    }
}

/// The host's answers about the objects and code objects that a superblock refers to.
///
/// Answering never runs Python code, and an answer holds as long as the superblock is valid: either it can never change
/// (the type of an int, the items of a tuple), or the host watches for the change and invalidates. `None` means that the
/// host does not know, or that the question does not apply.
pub trait Facts {
    /// The object's type.
    fn type_of(&self, object: ObjRef) -> Option<ObjRef>;

    /// The value, if this is exactly an int and fits.
    fn as_i64(&self, object: ObjRef) -> Option<i64>;

    /// The value, if this is exactly a float.
    fn as_f64(&self, object: ObjRef) -> Option<f64>;

    /// The value, if this is a bool.
    fn as_bool(&self, object: ObjRef) -> Option<bool>;

    /// The items, if this is exactly a tuple.
    fn tuple_items(&self, object: ObjRef) -> Option<Vec<ObjRef>>;

    /// Whether reference counts of the object never change.
    fn is_immortal(&self, object: ObjRef) -> bool;

    /// The version, if this is a type and its version is watched.
    fn type_version(&self, object: ObjRef) -> Option<u32>;

    /// Which built-in type this is. Without answers, the optimizer cannot do much.
    fn builtin(&self, class: ObjRef) -> Option<Builtin>;

    /// Whether instances of exactly this class, as long as nothing but the superblock knows them, are freed without running code
    /// of their own: no finalizer. What their attributes refer to does not count.
    fn has_no_finalizer(&self, class: ObjRef) -> bool;

    /// A name for dumps: neither unique nor parsed.
    fn describe(&self, object: ObjRef) -> String;

    /// The qualified name of a code object, for dumps.
    fn describe_code(&self, code: CodeRef) -> String;
}
