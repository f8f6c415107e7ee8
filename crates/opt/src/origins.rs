//! Where values come from, and of which type they are, by the number of the op that says so.

use crate::edit::{loop_params, makes_object};
use crate::fold::own_class;
use hotspur_ir::{Builtin, Facts, Op, Superblock, Value};
use rustc_hash::FxHashMap as HashMap;

/// What is known of a value, and from which op on.
#[derive(Default)]
pub(crate) struct Origins {
    /// Where it was defined; whether as a new object.
    defined: HashMap<Value, (usize, bool)>,
    class: HashMap<Value, (usize, Builtin)>,
}

impl Origins {
    pub(crate) fn new(sb: &Superblock, facts: &dyn Facts) -> Origins {
        let mut origins = Origins::default();
        for (at, inst) in sb.insts().enumerate() {
            if let Some(v) = inst.result {
                origins.defined.insert(v, (at, makes_object(&inst.op)));
                origins.class.extend(own_class(&inst.op).map(|class| (v, (at, class))));
            }
            if let Op::GuardType { value, class } = inst.op
                && let Some(class) = facts.builtin(class)
            {
                origins.class.entry(value).or_insert((at, class));
            }
        }
        // A parameter of the loop is what it gets: where the loop goes round, all ops of both sections have been executed.
        let known = |origins: &Origins, v| origins.class.get(&v).map(|c| c.1);
        for (p, e, j) in loop_params(sb) {
            let (at_first, later) = (known(&origins, e), known(&origins, j));
            if let Some(class) = at_first.filter(|_| at_first == later) {
                let seen = origins.class.entry(p).or_insert((sb.prefix.len(), class));
                *seen = (sb.prefix.len().saturating_sub(1), class);
            }
        }
        origins
    }

    /// The built-in type that the value is exactly of, as known at this op.
    pub(crate) fn class(&self, v: Value, at: usize) -> Option<Builtin> {
        self.class.get(&v).filter(|c| c.0 < at).map(|c| c.1)
    }

    /// Which op defines the value; none if that is a parameter.
    pub(crate) fn defined(&self, v: Value) -> Option<usize> {
        self.defined.get(&v).map(|d| d.0)
    }

    /// Whether the two may be the same object, as known at this op.
    pub(crate) fn may_alias(&self, a: Value, b: Value, at: usize) -> bool {
        let differ = matches!((self.class(a, at), self.class(b, at)), (Some(a), Some(b)) if a != b);
        let is_newer = |new, old| matches!((self.defined.get(&new), self.defined.get(&old)), (Some(&(n, true)), Some(&(o, _))) if o < n);
        a == b || !(differ || is_newer(a, b) || is_newer(b, a))
    }
}
