//! Lists and tuples: items, unpacking, building.

use super::arrays::{self, Array};
use super::{Lowering, Outcome};
use crate::facts;
use crate::state::Content;
use crate::trace::Keep;
use core::ptr;
use hotspur_cpython_sys::ffi::{PyObject, PyTypeObject};
use hotspur_cpython_sys::*;
use hotspur_ir::{Cond, Helper, Resume, Value};

fn list_type() -> *mut PyTypeObject {
    &raw mut ffi::PyList_Type
}

fn tuple_type() -> *mut PyTypeObject {
    &raw mut ffi::PyTuple_Type
}

/// Whether an object is exactly a list or exactly a tuple.
pub(super) unsafe fn is_list_or_tuple(op: *mut PyObject) -> bool {
    ptr::eq(ty(op), list_type()) || ptr::eq(ty(op), tuple_type())
}

/// Whether an object is a list, or an instance of a subclass whose version can be guarded.
pub(super) unsafe fn is_a_list(op: *mut PyObject) -> bool {
    let class = ty(op);
    ptr::eq(class, list_type()) || has_feature(class, ffi::Py_TPFLAGS_LIST_SUBCLASS) && facts::has_version(class)
}

/// Whether an object is a list or tuple, or of a subclass of list, and `len` of it is what list or tuple say.
pub(super) unsafe fn has_length_of_list_or_tuple(op: *mut PyObject) -> bool {
    let length = |class: *mut PyTypeObject| (*(*class).tp_as_sequence).sq_length.map(|f| f as usize);
    is_list_or_tuple(op) || is_a_list(op) && length(ty(op)) == length(list_type())
}

/// Whether an object is a list or tuple, or of a subclass of list, and its items are what list or tuple say.
unsafe fn has_items_of_list_or_tuple(op: *mut PyObject) -> bool {
    let method = |class| facts::found_in(class, c"__getitem__");
    is_list_or_tuple(op) || is_a_list(op) && ptr::eq(method(ty(op)), method(list_type()))
}

/// The same for its truth.
pub(super) unsafe fn has_truth_of_list_or_tuple(op: *mut PyObject) -> bool {
    let number = (*ty(op)).tp_as_number;
    has_length_of_list_or_tuple(op) && (number.is_null() || (*number).nb_bool.is_none())
}

impl Lowering<'_> {
    /// The length, as list or tuple have it, of what was found to be of these or of a subclass of list.
    pub(super) unsafe fn length_of_real(&mut self, v: Value, real: *mut PyObject) -> Value {
        if is_list_or_tuple(real) {
            return self.length_of(v, ty(real));
        }
        self.guard_version(v, real, (*ty(real)).tp_version_tag);
        self.f.builder.list_len(v)
    }

    /// The length of a list or tuple, which is guarded to be of this type.
    pub(super) fn length_of(&mut self, v: Value, class: *mut PyTypeObject) -> Value {
        self.f.guard_class(v, class);
        if ptr::eq(class, list_type()) { self.f.builder.list_len(v) } else { self.f.builder.tuple_len(v) }
    }

    /// The index that the int on top of the stack means in a sequence of this length, guarded to be in bounds. None if it really is not.
    pub(super) unsafe fn index(&mut self, real_length: isize, length: Value) -> Option<Value> {
        let real = self.real_int(1)?;
        let index = self.int(1)?;
        self.f.at();
        if real >= 0 {
            if real >= real_length as i64 {
                return None;
            }
            self.f.builder.guard_index(index, length);
            return Some(index);
        }
        if real + (real_length as i64) < 0 {
            return None;
        }
        let zero = self.f.builder.const_i64(0);
        self.f.builder.guard_cmp_i64(Cond::Lt, index, zero);
        let from_start = self.f.builder.add_i64(index, length);
        self.f.builder.guard_index(from_start, length);
        Some(from_start)
    }
}

pub(super) unsafe fn binary_subscr(l: &mut Lowering) -> Option<Outcome> {
    let container = l.real(2);
    if let Some(array) = Array::seen(container) {
        return arrays::item(l, array);
    }
    if is_type(container, &raw mut ffi::PyBytes_Type) && facts::is_compact_int(l.real(1)) {
        return arrays::byte(l);
    }
    if !has_items_of_list_or_tuple(container) || is_type(l.real(1), &raw mut ffi::PySlice_Type) {
        let item = super::containers::item(l);
        return if item.is_some() { item } else { super::attributes::getitem(l) };
    }
    l.real_int(1)?;
    let v = l.f.peek(2)?;
    let length = l.length_of_real(v, container);
    let index = l.index(size(container), length)?;
    let item = if ptr::eq(ty(container), tuple_type()) {
        l.f.builder.load_tuple_item(v, index)
    } else {
        let items = l.f.builder.list_items(v);
        l.f.builder.load_item(items, index)
    };
    l.f.borrowed(item);
    let sub = l.f.pop();
    let container = l.f.pop();
    l.f.push_value(item);
    l.f.release(sub);
    l.f.release(container);
    l.done()
}

pub(super) unsafe fn store_subscr(l: &mut Lowering) -> Option<Outcome> {
    let (real_list, real_sub) = (l.real(2), l.real(1));
    if let Some(array) = Array::seen(real_list) {
        return arrays::store_item(l, array);
    }
    if !ptr::eq(ty(real_list), list_type()) {
        let stored = super::containers::store_item(l);
        return if stored.is_some() { stored } else { super::shims::assignment(l) };
    }
    let mut i = l.real_int(1)?;
    debug_assert!(facts::is_int(real_sub));
    let list = l.f.peek(2)?;
    l.f.peek(3)?;
    let length = l.length_of(list, list_type());
    let index = l.index(size(real_list), length)?;
    if i < 0 {
        i += size(real_list) as i64;
    }
    let items = l.f.builder.list_items(list);
    let old = l.f.builder.load_item(items, index);
    l.expect_quiet(old, *list_items(real_list).offset(i as isize), l.real(3));
    let (sub, container, content) = (l.f.pop(), l.f.pop(), l.f.pop());
    let Content::Value(content) = content else { return None };
    let object = l.f.boxed(content);
    let value = l.f.take(object);
    l.f.builder.store_item(items, index, value);
    // The list's reference to what was there.
    l.f.owned(old);
    l.f.release(Content::Value(old));
    l.f.release(sub);
    l.f.release(container);
    l.done()
}

pub(super) unsafe fn unpack_sequence(l: &mut Lowering) -> Option<Outcome> {
    let real = l.real(1);
    let n = l.oparg();
    if !is_list_or_tuple(real) || size(real) as usize != n {
        return None;
    }
    let class = ty(real);
    let v = l.f.peek(1)?;
    let length = l.length_of(v, class);
    let expected = l.f.builder.const_i64(n as i64);
    l.f.at();
    l.f.builder.guard_cmp_i64(Cond::Eq, length, expected);
    let list = ptr::eq(class, list_type()).then(|| l.f.builder.list_items(v));
    let items: Vec<_> = (0..n)
        .map(|i| {
            let index = l.f.builder.const_i64(i as i64);
            let item = match list {
                Some(items) => l.f.builder.load_item(items, index),
                None => l.f.builder.load_tuple_item(v, index),
            };
            l.f.borrowed(item)
        })
        .collect();
    let sequence = l.f.pop();
    for item in items.into_iter().rev() {
        l.f.push_value(item);
    }
    l.f.release(sequence);
    l.done()
}

/// Pops `n` objects; references to them for an op to steal, the lowest first.
unsafe fn take_objects(l: &mut Lowering, n: usize) -> Option<Vec<Value>> {
    // All of them first, so that no alias is left that is going to be popped anyway.
    for i in 1..=n {
        l.f.peek(i)?;
    }
    let contents: Vec<_> = (0..n).map(|_| l.f.pop()).collect();
    let values = contents.into_iter().rev().map(|content| {
        let Content::Value(v) = content else { unreachable!("looked at above") };
        let object = l.f.boxed(v);
        l.f.take(object)
    });
    Some(values.collect())
}

pub(super) unsafe fn build_tuple(l: &mut Lowering) -> Option<Outcome> {
    if l.oparg() == 0 {
        return None;
    }
    let items = take_objects(l, l.oparg())?;
    let tuple = l.f.builder.new_tuple(&items);
    l.f.owned(tuple);
    l.f.of_class(tuple, tuple_type());
    l.f.push_value(tuple);
    l.done()
}

pub(super) unsafe fn build_list(l: &mut Lowering) -> Option<Outcome> {
    let items = take_objects(l, l.oparg())?;
    let list = l.f.builder.new_list(&items);
    l.f.owned(list);
    l.f.of_class(list, list_type());
    l.f.push_value(list);
    l.done()
}

pub(super) unsafe fn build_slice(l: &mut Lowering) -> Option<Outcome> {
    let mut fields = take_objects(l, l.oparg())?;
    if fields.len() == 2 {
        let none = l.f.constant(ffi::Py_None(), Keep::Immortal);
        fields.push(l.f.take(none));
    }
    let slice = l.f.builder.new_slice(fields[0], fields[1], fields[2]);
    l.f.owned(slice);
    l.f.of_class(slice, &raw mut ffi::PySlice_Type);
    l.f.info(slice).slice = Some([fields[0], fields[1], fields[2]]);
    l.f.push_value(slice);
    l.done()
}

pub(super) unsafe fn list_append(l: &mut Lowering) -> Option<Outcome> {
    let n = l.oparg();
    if !ptr::eq(ty(l.real(n + 1)), list_type()) {
        return None;
    }
    let list = l.f.peek(n + 1)?;
    l.f.peek(1)?;
    l.f.guard_class(list, list_type());
    let Content::Value(v) = l.f.pop() else { return None };
    l.append(list, v)?;
    l.done()
}

impl Lowering<'_> {
    /// Appends a value that was popped to a list.
    pub(super) unsafe fn append(&mut self, list: Value, v: Value) -> Option<()> {
        let object = self.f.boxed(v);
        let item = self.f.take(object);
        self.f.snapshot(Resume::Raise);
        let error = self.f.builder.call_helper(Helper::ListAppend, &[list, item])?;
        self.f.builder.check_negative(error);
        Some(())
    }
}

pub(super) unsafe fn get_len(l: &mut Lowering) -> Option<Outcome> {
    let real = l.real(1);
    if !is_list_or_tuple(real) {
        return None;
    }
    let v = l.f.peek(1)?;
    let length = l.length_of(v, ty(real));
    let result = l.box_int(length);
    l.f.push_value(result);
    l.done()
}
