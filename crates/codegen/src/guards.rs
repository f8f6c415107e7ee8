//! Guards and checks.

use crate::host::{ExecState, HostFn};
use crate::translate::Translator;
use core::mem::offset_of;
use cranelift_codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift_codegen::ir::{self as clif, InstBuilder, types};
use hotspur_ir::{Cond, ObjRef, Value};

type Nothing = Option<clif::Value>;

/// The comparison of signed integers.
pub(crate) fn int_condition(cond: Cond) -> IntCC {
    match cond {
        Cond::Eq => IntCC::Equal,
        Cond::Ne => IntCC::NotEqual,
        Cond::Lt => IntCC::SignedLessThan,
        Cond::Ge => IntCC::SignedGreaterThanOrEqual,
        Cond::Le => IntCC::SignedLessThanOrEqual,
        Cond::Gt => IntCC::SignedGreaterThan,
    }
}

/// The comparison of doubles: what is not a number is unequal to everything, and nothing else.
pub(crate) fn float_condition(cond: Cond) -> FloatCC {
    match cond {
        Cond::Eq => FloatCC::Equal,
        Cond::Ne => FloatCC::NotEqual,
        Cond::Lt => FloatCC::LessThan,
        Cond::Ge => FloatCC::GreaterThanOrEqual,
        Cond::Le => FloatCC::LessThanOrEqual,
        Cond::Gt => FloatCC::GreaterThan,
    }
}

impl Translator<'_> {
    /// Exits unless the number is this one.
    fn guard_number(&mut self, is: clif::Value, wanted: u32) -> Nothing {
        let same = self.b.ins().icmp_imm(IntCC::Equal, is, i64::from(wanted as i32));
        self.guard(same);
        None
    }

    pub(crate) fn guard_type(&mut self, value: Value, class: ObjRef) -> Nothing {
        let value = self.v(value);
        let is = self.type_of(value);
        let class = self.object(class);
        let same = self.b.ins().icmp(IntCC::Equal, is, class);
        self.guard(same);
        None
    }

    pub(crate) fn guard_type_version(&mut self, value: Value, version: u32) -> Nothing {
        let is = if let Some(layout) = self.env.layout {
            let class = self.load(types::I64, self.v(value), layout.ob_type);
            self.load(types::I32, class, layout.tp_version_tag)
        } else {
            self.ask(HostFn::TypeVersion, &[self.v(value)])
        };
        self.guard_number(is, version)
    }

    pub(crate) fn guard_class_version(&mut self, class: Value, version: u32) -> Nothing {
        let is = if let Some(layout) = self.env.layout {
            self.load(types::I32, self.v(class), layout.tp_version_tag)
        } else {
            self.ask(HostFn::ClassVersion, &[self.v(class)])
        };
        self.guard_number(is, version)
    }

    pub(crate) fn guard_keys_version(&mut self, dict: Value, version: u32) -> Nothing {
        let is = if let Some(layout) = self.env.layout {
            let keys = self.load(types::I64, self.v(dict), layout.ma_keys);
            self.load(types::I32, keys, layout.dk_version)
        } else {
            self.ask(HostFn::KeysVersion, &[self.v(dict)])
        };
        self.guard_number(is, version)
    }

    pub(crate) fn guard_shared_keys_version(&mut self, value: Value, version: u32) -> Nothing {
        let is = if let Some(layout) = self.env.layout {
            let class = self.load(types::I64, self.v(value), layout.ob_type);
            let keys = self.load(types::I64, class, layout.ht_cached_keys);
            self.load(types::I32, keys, layout.dk_version)
        } else {
            self.ask(HostFn::SharedKeysVersion, &[self.v(value)])
        };
        self.guard_number(is, version)
    }

    pub(crate) fn guard_instance_keys_version(&mut self, class: Value, version: u32) -> Nothing {
        let is = if let Some(layout) = self.env.layout {
            let keys = self.load(types::I64, self.v(class), layout.ht_cached_keys);
            self.load(types::I32, keys, layout.dk_version)
        } else {
            self.ask(HostFn::InstanceKeysVersion, &[self.v(class)])
        };
        self.guard_number(is, version)
    }

    pub(crate) fn guard_global_version(&mut self, dict: ObjRef, version: u32) -> Nothing {
        let dict = self.object(dict);
        let is = self.ask(HostFn::GlobalVersion, &[dict]);
        self.guard_number(is, version)
    }

    pub(crate) fn guard_function_version(&mut self, function: Value, version: u32) -> Nothing {
        let is = if let Some(layout) = self.env.layout {
            self.load(types::I32, self.v(function), layout.func_version)
        } else {
            self.ask(HostFn::FunctionVersion, &[self.v(function)])
        };
        self.guard_number(is, version)
    }

    pub(crate) fn guard_is(&mut self, value: Value, object: ObjRef, condition: IntCC) -> Nothing {
        let (value, object) = (self.v(value), self.object(object));
        let holds = self.b.ins().icmp(condition, value, object);
        self.guard(holds);
        None
    }

    /// Exits unless the value is (not) zero.
    pub(crate) fn guard_value(&mut self, value: Value, wanted: bool) -> Nothing {
        let value = self.v(value);
        if wanted {
            self.guard(value);
        } else {
            self.guard_not(value);
        }
        None
    }

    /// Exits unless an int has at most so many digits.
    pub(crate) fn guard_digits(&mut self, value: Value, digits: i64, function: HostFn) -> Nothing {
        let few = if let Some(layout) = self.env.layout {
            let tag = self.load(types::I64, self.v(value), layout.lv_tag);
            self.b.ins().icmp_imm(IntCC::UnsignedLessThan, tag, (digits + 1) << 3)
        } else {
            self.ask(function, &[self.v(value)])
        };
        self.guard(few);
        None
    }

    pub(crate) fn guard_index(&mut self, index: Value, length: Value) -> Nothing {
        let known = self.is_natural(length);
        let (index, length) = (self.v(index), self.v(length));
        if !known {
            let natural = self.b.ins().icmp_imm(IntCC::SignedGreaterThanOrEqual, length, 0);
            self.guard(natural);
        }
        // Taken as unsigned, a negative index is greater than any length.
        let inside = self.b.ins().icmp(IntCC::UnsignedLessThan, index, length);
        self.guard(inside);
        None
    }

    pub(crate) fn cmp_i64(&mut self, cond: Cond, a: Value, b: Value) -> clif::Value {
        let (a, b) = (self.v(a), self.v(b));
        self.b.ins().icmp(int_condition(cond), a, b)
    }

    pub(crate) fn cmp_f64(&mut self, cond: Cond, a: Value, b: Value) -> clif::Value {
        let (a, b) = (self.v(a), self.v(b));
        self.b.ins().fcmp(float_condition(cond), a, b)
    }

    pub(crate) fn guard_cmp_i64(&mut self, cond: Cond, a: Value, b: Value) -> Nothing {
        let holds = self.cmp_i64(cond, a, b);
        self.guard(holds);
        None
    }

    pub(crate) fn guard_cmp_f64(&mut self, cond: Cond, a: Value, b: Value) -> Nothing {
        let holds = self.cmp_f64(cond, a, b);
        self.guard(holds);
        None
    }

    pub(crate) fn guard_no_dict(&mut self, value: Value) -> Nothing {
        let none = if let Some(layout) = self.env.layout {
            let dict = self.load(types::I64, self.v(value), layout.managed_dict);
            self.b.ins().icmp_imm(IntCC::Equal, dict, 0)
        } else {
            self.ask(HostFn::HasNoDict, &[self.v(value)])
        };
        self.guard(none);
        None
    }

    pub(crate) fn guard_shared(&mut self, value: Value) -> Nothing {
        let shared = if let Some(layout) = self.env.layout {
            let count = self.load(types::I32, self.v(value), layout.ob_refcnt);
            self.b.ins().icmp_imm(IntCC::NotEqual, count, 1)
        } else {
            self.ask(HostFn::IsShared, &[self.v(value)])
        };
        self.guard(shared);
        None
    }

    pub(crate) fn guard_inline_values(&mut self, value: Value) -> Nothing {
        let valid = if let Some(layout) = self.env.layout {
            self.load(types::I8, self.v(value), layout.inline_valid)
        } else {
            self.ask(HostFn::HasInlineValues, &[self.v(value)])
        };
        self.guard(valid);
        None
    }

    pub(crate) fn check_validity(&mut self) -> Nothing {
        if self.env.valid == 0 {
            let valid = self.ask(HostFn::IsValid, &[]);
            self.guard(valid);
            return None;
        }
        let address = self.word(self.env.valid);
        let valid = self.load(types::I8, address, 0);
        self.guard(valid);
        let disturbed = self.load(types::I8, self.state, offset_of!(ExecState, disturbed) as i32);
        self.guard_not(disturbed);
        None
    }

    pub(crate) fn check_periodic(&mut self) -> Nothing {
        let due = if let (Some(layout), Some(thread)) = (self.env.layout, self.thread) {
            self.load(types::I8, thread, layout.eval_breaker)
        } else {
            self.ask(HostFn::IsPeriodicDue, &[])
        };
        self.guard_not(due);
        None
    }

    pub(crate) fn check_stack_space(&mut self) -> Nothing {
        if let Some((_, returns)) = self.returns() {
            // Frames that are virtual here cannot be seen, so all that the superblock ever has on top of each other count.
            let most = self.sb.snapshots.values().map(|s| s.frames.len()).max().unwrap_or(1);
            let thread = self.load(types::I64, self.state, offset_of!(ExecState, thread) as i32);
            let remaining = self.load(types::I32, thread, returns.py_recursion_remaining);
            let room = self.b.ins().icmp_imm(IntCC::SignedGreaterThan, remaining, most as i64);
            self.guard(room);
            let hook = self.word(returns.hook);
            let evaluator = self.load(types::I64, hook, 0);
            let ours = self.b.ins().icmp_imm(IntCC::Equal, evaluator, returns.evaluator as i64);
            self.guard(ours);
            return None;
        }
        let space = self.ask(HostFn::HasStackSpace, &[]);
        self.guard(space);
        None
    }

    pub(crate) fn check_negative(&mut self, value: Value) -> Nothing {
        let value = self.v(value);
        let negative = self.b.ins().icmp_imm(IntCC::SignedLessThan, value, 0);
        self.guard_not(negative);
        None
    }
}
