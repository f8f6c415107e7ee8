//! What is known of values. All of it holds from where it was learnt to the end: what could change (types of
//! instances, versions) is not here but in `memory.rs`, which forgets.

use cranelift_entity::SecondaryMap;
use hotspur_ir::{Builtin, Cond, Facts, Float, ObjRef, Operands, Value};

/// A value that is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Const {
    Null,
    Obj(ObjRef),
    I64(i64),
    F64(Float),
    Bool(bool),
}

/// What a truth value says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Says {
    I64(Cond, Value, Value),
    F64(Cond, Value, Value),
    Null(Value),
    Same(Value, Value),
    Not(Value),
}

/// What is known of a value.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct Known {
    pub(crate) constant: Option<Const>,
    /// It is an instance of exactly this type.
    pub(crate) class: Option<Builtin>,
    pub(crate) not_null: bool,
    /// It is an int of one digit.
    pub(crate) compact: bool,
    /// It is a double that is finite and has no fractional part.
    pub(crate) whole: bool,
    /// What is in the box.
    pub(crate) unboxed: Option<Value>,
    /// The superblock made it: it is no object that there was before.
    pub(crate) fresh: bool,
    /// The items of a tuple that the superblock made.
    pub(crate) items: Option<Box<[Value]>>,
    /// What a truth value says.
    pub(crate) says: Option<Says>,
    /// When it was defined, counted in ops.
    pub(crate) defined: Option<u32>,
}

/// What is known of all values.
#[derive(Default)]
pub(crate) struct Knowledge(SecondaryMap<Value, Known>);

impl Knowledge {
    pub(crate) fn get(&self, v: Value) -> &Known {
        &self.0[v]
    }

    pub(crate) fn get_mut(&mut self, v: Value) -> &mut Known {
        &mut self.0[v]
    }

    pub(crate) fn i64(&self, v: Value) -> Option<i64> {
        if let Some(Const::I64(n)) = self.0[v].constant { Some(n) } else { None }
    }

    pub(crate) fn f64(&self, v: Value) -> Option<f64> {
        if let Some(Const::F64(x)) = self.0[v].constant { Some(x.get()) } else { None }
    }

    pub(crate) fn truth(&self, v: Value) -> Option<bool> {
        if let Some(Const::Bool(b)) = self.0[v].constant { Some(b) } else { None }
    }

    pub(crate) fn object(&self, v: Value) -> Option<ObjRef> {
        if let Some(Const::Obj(o)) = self.0[v].constant { Some(o) } else { None }
    }

    pub(crate) fn is_null(&self, v: Value) -> bool {
        self.0[v].constant == Some(Const::Null)
    }

    /// It is this object.
    pub(crate) fn learn_object(&mut self, v: Value, object: ObjRef, facts: &dyn Facts) {
        let known = &mut self.0[v];
        known.constant = Some(Const::Obj(object));
        known.not_null = true;
        known.class = known.class.or_else(|| class_of(object, facts));
    }

    /// Whether the two may be the same object.
    pub(crate) fn may_alias(&self, a: Value, b: Value) -> bool {
        if a == b {
            return true;
        }
        let (ka, kb) = (&self.0[a], &self.0[b]);
        let differ = ka.class.is_some() && kb.class.is_some() && ka.class != kb.class;
        // An object that the superblock made is none that was at hand before.
        let older = |old: &Known, new: &Known| new.fresh && old.defined.is_some() && old.defined < new.defined;
        !(differ || older(ka, kb) || older(kb, ka))
    }
}

/// A value that is no constant.
#[derive(Debug)]
pub(crate) struct Unknown;

impl Operands for Knowledge {
    type Missing = Unknown;

    fn i64(&self, v: Value) -> Result<i64, Unknown> {
        self.i64(v).ok_or(Unknown)
    }

    fn f64(&self, v: Value) -> Result<f64, Unknown> {
        self.f64(v).ok_or(Unknown)
    }

    fn bool(&self, v: Value) -> Result<bool, Unknown> {
        self.truth(v).ok_or(Unknown)
    }
}

/// The built-in type of a constant.
pub(crate) fn class_of(object: ObjRef, facts: &dyn Facts) -> Option<Builtin> {
    facts.type_of(object).and_then(|class| facts.builtin(class))
}
