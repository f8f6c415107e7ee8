//! Elements of arrays and bytearrays, and of bytes.
//!
//! `array.array` is a class that cannot be changed, and still a heap type that can go: it is guarded by its version. Whoever has an instance of
//! it that is an array has one of that class exactly, since derived classes have other versions.

use super::{Lowering, Outcome};
use crate::facts;
use core::mem::offset_of;
use hotspur_cpython_sys::ffi::PyObject;
use hotspur_cpython_sys::*;
use hotspur_ir::{Cond, ElementKind, IntKind, Value};

/// What is seen of an array.
#[derive(Clone, Copy)]
pub(super) struct Array {
    kind: ElementKind,
    /// None: it is a bytearray.
    typecode: Option<u8>,
}

impl Array {
    /// If this is an array whose elements ops know.
    pub(super) unsafe fn seen(op: *mut PyObject) -> Option<Array> {
        if is_type(op, &raw mut ffi::PyByteArray_Type) {
            return Some(Array { kind: ElementKind::Int(IntKind::U8), typecode: None });
        }
        let typecode = array_typecode(op)?;
        let kind = ElementKind::of_typecode(typecode)?;
        let width = (*(*op.cast::<ArrayObject>()).ob_descr).itemsize;
        (kind.width() == width as usize).then_some(Array { kind, typecode: Some(typecode) })
    }

    /// Where the object has the address of its elements.
    fn offset(self) -> u32 {
        let offset = match self.typecode {
            Some(_) => offset_of!(ArrayObject, ob_item),
            None => offset_of!(ByteArrayObject, ob_start),
        };
        offset as u32
    }
}

/// BINARY_SUBSCR of exactly a bytes object, which has its elements in itself.
pub(super) unsafe fn byte(l: &mut Lowering) -> Option<Outcome> {
    l.real_int(1)?;
    let real = l.real(2);
    let v = l.exact(2)?;
    let length = l.f.builder.array_len(v);
    let index = l.index(size(real), length)?;
    let elements = l.f.builder.inner_elements(v, bytes_data(real).byte_offset_from(real) as u32);
    let number = l.f.builder.load_element_i64(elements, index, IntKind::U8);
    let item = l.box_int(number);
    l.replace(2, item)
}

impl Lowering<'_> {
    /// The length of an array, which is guarded to be what was seen.
    pub(super) unsafe fn array_len(&mut self, v: Value, real: *mut PyObject, array: Array) -> Value {
        if let Some(typecode) = array.typecode {
            self.guard_version(v, real, (*ty(real)).tp_version_tag);
            self.f.at();
            self.f.builder.guard_typecode(v, typecode.into());
        } else {
            self.f.guard_class(v, &raw mut ffi::PyByteArray_Type);
        }
        self.f.builder.array_len(v)
    }

    /// The operand `n` from the top as an integer, guarded to be within a range, as it really is.
    unsafe fn int_within(&mut self, n: usize, (least, greatest): (i64, i64)) -> Option<Value> {
        let real = self.real_int(n)?;
        if !(least..=greatest).contains(&real) {
            return None;
        }
        let v = self.int(n)?;
        for (cond, end, is_needed) in [(Cond::Ge, least, least != i64::MIN), (Cond::Le, greatest, greatest != i64::MAX)]
        {
            if is_needed {
                let end = self.f.builder.const_i64(end);
                self.f.at();
                self.f.builder.guard_cmp_i64(cond, v, end);
            }
        }
        Some(v)
    }
}

/// BINARY_SUBSCR of an array.
pub(super) unsafe fn item(l: &mut Lowering, array: Array) -> Option<Outcome> {
    l.real_int(1)?;
    let real = l.real(2);
    let v = l.f.peek(2)?;
    let length = l.array_len(v, real, array);
    let index = l.index(size(real), length)?;
    let elements = l.f.builder.array_elements(v, array.offset());
    let item = match array.kind {
        ElementKind::Int(kind) => {
            let number = l.f.builder.load_element_i64(elements, index, kind);
            l.box_int(number)
        }
        ElementKind::Float(kind) => {
            let number = l.f.builder.load_element_f64(elements, index, kind);
            l.box_float(number)
        }
    };
    l.replace(2, item)
}

/// STORE_SUBSCR of an array.
pub(super) unsafe fn store_item(l: &mut Lowering, array: Array) -> Option<Outcome> {
    l.real_int(1)?;
    let (real, value) = (l.real(2), l.real(3));
    let v = l.f.peek(2)?;
    l.f.peek(3)?;
    let is_number = match array.kind {
        ElementKind::Int(_) => facts::is_int(value),
        ElementKind::Float(_) => facts::is_float(value) || facts::is_compact_int(value),
    };
    if !is_number {
        return None;
    }
    let length = l.array_len(v, real, array);
    let index = l.index(size(real), length)?;
    match array.kind {
        ElementKind::Int(kind) => {
            let number = l.int_within(3, kind.range())?;
            let elements = l.f.builder.array_elements(v, array.offset());
            l.f.builder.store_element_i64(elements, index, kind, number);
        }
        ElementKind::Float(kind) => {
            let number = l.double(3)?;
            let elements = l.f.builder.array_elements(v, array.offset());
            l.f.builder.store_element_f64(elements, index, kind, number);
        }
    }
    let (sub, container, content) = (l.f.pop(), l.f.pop(), l.f.pop());
    l.f.release(content);
    l.f.release(container);
    l.f.release(sub);
    l.done()
}
