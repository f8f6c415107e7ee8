//! What an optimizer may ask about objects.

use crate::entities::{CodeRef, ObjRef};

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

    /// A name for dumps: neither unique nor parsed.
    fn describe(&self, object: ObjRef) -> String;

    /// The qualified name of a code object, for dumps.
    fn describe_code(&self, code: CodeRef) -> String;
}
