//! Attributes: LOAD_ATTR, STORE_ATTR, DELETE_ATTR, LOAD_SUPER_ATTR.
//!
//! Caches, by word: 1 holds the type's version in its low half and, in its high half, what the specialization needs besides
//! (an offset, an index, a version); 2 holds an object. That object is borrowed: the version keeps it alive, because
//! whatever takes it out of the type's dictionary takes the version away too.

use crate::context::known;
use crate::dispatch::{Ret, State};
use crate::{adapt, frames, handler, polymorphic, shims};
use core::ffi::c_int;
use core::ptr;
use ffi::{PyObject, PyTypeObject};
use hotspur_cpython_sys::*;

/// Length of LOAD_ATTR.
const LOAD: usize = 10;
/// Length of STORE_ATTR.
const STORE: usize = 5;

/// The halves of the first cache word.
#[inline(always)]
unsafe fn halves(s: State) -> (u32, usize) {
    let word = *s.cache(1);
    (word as u32, (word >> 32) as usize)
}

/// The object in the second cache word.
#[inline(always)]
unsafe fn cached(s: State) -> *mut PyObject {
    *s.cache(2) as usize as *mut PyObject
}

#[inline(always)]
unsafe fn type_version(op: *mut PyObject) -> u32 {
    (*ty(op)).tp_version_tag
}

/// Where a dictionary's value for `name` is, if the entry at `index` is that name's and the keys are all strings; else
/// null.
#[inline(always)]
unsafe fn value_at(dict: *mut PyDictObject, index: usize, name: *mut PyObject) -> *mut *mut PyObject {
    let keys = (*dict).ma_keys;
    if !keys_are_unicode(keys) || index >= (*keys).dk_nentries as usize {
        return ptr::null_mut();
    }
    let entry = unicode_entries(keys).add(index);
    if (*entry).me_key != name || (*entry).me_value.is_null() {
        return ptr::null_mut();
    }
    &raw mut (*entry).me_value
}

/// Replaces the owner by the attribute (borrowed), and says "no receiver" where a call follows.
#[inline(always)]
unsafe fn loaded(mut s: State, owner: *mut PyObject, attr: *mut PyObject) -> Ret {
    s.put(1, newref(attr));
    if s.oparg() & 1 != 0 {
        s.push(ptr::null_mut());
    }
    s.decref_then_next(owner, LOAD)
}

/// Pushes a method (borrowed) below its receiver.
#[inline(always)]
unsafe fn loaded_method(mut s: State, owner: *mut PyObject, method: *mut PyObject) -> Ret {
    s.put(1, newref(method));
    s.push(owner);
    s.next(LOAD)
}

/// Whether the attributes of `owner` are certainly among the keys that its type had when the cache was filled.
#[inline(always)]
unsafe fn keys_unchanged(owner: *mut PyObject, keys_version: usize) -> bool {
    (*inline_values(owner)).valid != 0 && (*cached_keys(ty(owner))).dk_version == keys_version as u32
}

/// The method, and whether it is unbound so that the receiver is to be passed; null on an error.
#[inline(never)]
unsafe fn get_method(owner: *mut PyObject, name: *mut PyObject) -> (c_int, *mut PyObject) {
    if let Some((is_unbound, attr)) = polymorphic::callable_at_hand(owner, name) {
        return (is_unbound.into(), attr);
    }
    let mut method = ptr::null_mut();
    let unbound = _PyObject_GetMethod(owner, name, &mut method);
    (unbound, method)
}

#[inline(never)]
unsafe fn make_super(
    callable: *mut PyObject,
    class: *mut PyObject,
    this: *mut PyObject,
    nargs: usize,
) -> *mut PyObject {
    let args = [class, this];
    ffi::PyObject_Vectorcall(callable, args.as_ptr(), nargs, ptr::null_mut())
}

/// As [`get_method`], of `super(class, this)`.
#[inline(never)]
unsafe fn super_method(class: *mut PyObject, this: *mut PyObject, name: *mut PyObject) -> (c_int, *mut PyObject) {
    let is_usual = crate::specialize::load_attr::loads_generically(ty(this));
    // `super().__class__` is the class of the proxy.
    if is_usual && is_class(class) && name != known().name_class {
        let method = super_lookup(ty(this), class.cast(), name);
        if !method.is_null() && has_feature(ty(method), TPFLAGS_METHOD_DESCRIPTOR) {
            return (1, newref(method));
        }
    }
    let mut found = 0;
    let out = if is_usual { &raw mut found } else { ptr::null_mut() };
    let attr = _PySuper_Lookup(class.cast::<PyTypeObject>(), this, name, out);
    (found, attr)
}

#[inline(always)]
unsafe fn is_class(op: *mut PyObject) -> bool {
    has_feature(ty(op), ffi::Py_TPFLAGS_TYPE_SUBCLASS)
}

handler! {
    LOAD_ATTR(s) {
        adapt!(s, crate::specialize::load_attr::load_attr);
        s.save_ip();
        let owner = s.peek(1);
        let name = s.name(s.oparg() >> 1);
        let attr = if s.oparg() & 1 != 0 {
            let (unbound, attr) = get_method(owner, name);
            if unbound != 0 {
                s.put(1, attr);
                s.push(owner);
                return s.next_escaped(LOAD);
            }
            attr
        } else {
            // Objects of many types have their attributes read here.
            let at_hand = polymorphic::attribute_at_hand(owner, name);
            if at_hand.is_null() { ffi::PyObject_GetAttr(owner, name) } else { at_hand }
        };
        s.shrink(1);
        decref(owner);
        if attr.is_null() {
            return s.error();
        }
        s.push(attr);
        if s.oparg() & 1 != 0 {
            s.push(ptr::null_mut());
        }
        s.next_escaped(LOAD)
    }

    /// A method in Python is called, whatever class has it: see [`crate::shims`].
    LOAD_ATTR_FOR_METHOD(s) {
        let found = shims::load(s);
        if found.is_none() {
            return s.tail(LOAD_ATTR);
        }
        s.save_ip();
        s.enter_found(found)
    }

    /// The same.
    STORE_ATTR_FOR_METHOD(s) {
        let found = shims::store(s);
        if found.is_none() {
            return s.tail(STORE_ATTR);
        }
        s.save_ip();
        s.enter_found(found)
    }

    /// A method in Python that LOAD_ATTR calls has returned what is to be called; it has no receiver.
    METHOD_RETURN(s) {
        s.push(ptr::null_mut());
        s.next(1)
    }

    /// High half: offset of the value in the object.
    LOAD_ATTR_INSTANCE_VALUE(s) {
        let owner = s.peek(1);
        let (version, offset) = halves(s);
        if type_version(owner) != version || (*inline_values(owner)).valid == 0 {
            return s.tail(LOAD_ATTR);
        }
        let attr = *owner.byte_add(offset).cast::<*mut PyObject>();
        if attr.is_null() {
            return s.tail(LOAD_ATTR);
        }
        loaded(s, owner, attr)
    }

    /// Low half: version of the dictionary's keys; high half: offset of the value from them.
    LOAD_ATTR_MODULE(s) {
        let owner = s.peek(1);
        let (version, offset) = halves(s);
        if !is_type(owner, &raw mut ffi::PyModule_Type) {
            return s.tail(LOAD_ATTR);
        }
        let dict = (*owner.cast::<PyModuleObject>()).md_dict.cast::<PyDictObject>();
        let keys = (*dict).ma_keys;
        if (*keys).dk_version != version {
            return s.tail(LOAD_ATTR);
        }
        let attr = *keys.byte_add(offset).cast::<*mut PyObject>();
        if attr.is_null() {
            return s.tail(LOAD_ATTR);
        }
        loaded(s, owner, attr)
    }

    /// High half: where in the instance's dictionary, whose keys were all strings, the entry was last seen.
    LOAD_ATTR_WITH_HINT(s) {
        let owner = s.peek(1);
        let (version, index) = halves(s);
        if type_version(owner) != version {
            return s.tail(LOAD_ATTR);
        }
        let dict = managed_dict(owner);
        if dict.is_null() {
            return s.tail(LOAD_ATTR);
        }
        let value = value_at(dict, index, s.name(s.oparg() >> 1));
        if value.is_null() {
            return s.tail(LOAD_ATTR);
        }
        loaded(s, owner, *value)
    }

    /// High half: offset of the slot in the object.
    LOAD_ATTR_SLOT(s) {
        let owner = s.peek(1);
        let (version, offset) = halves(s);
        if type_version(owner) != version {
            return s.tail(LOAD_ATTR);
        }
        let attr = *owner.byte_add(offset).cast::<*mut PyObject>();
        if attr.is_null() {
            return s.tail(LOAD_ATTR);
        }
        loaded(s, owner, attr)
    }

    /// The owner is a class, and the version its own.
    LOAD_ATTR_CLASS(s) {
        let owner = s.peek(1);
        let (version, _) = halves(s);
        if !is_class(owner) || (*owner.cast::<PyTypeObject>()).tp_version_tag != version {
            return s.tail(LOAD_ATTR);
        }
        loaded(s, owner, cached(s))
    }

    /// High half: version of the metaclass.
    LOAD_ATTR_CLASS_WITH_METACLASS(s) {
        let owner = s.peek(1);
        let (version, metaclass_version) = halves(s);
        if !is_class(owner)
            || (*owner.cast::<PyTypeObject>()).tp_version_tag != version
            || type_version(owner) != metaclass_version as u32
        {
            return s.tail(LOAD_ATTR);
        }
        loaded(s, owner, cached(s))
    }

    /// High half: version of the getter. The object is the property, which can be given another getter.
    LOAD_ATTR_PROPERTY(s) {
        let owner = s.peek(1);
        let (version, getter_version) = halves(s);
        if type_version(owner) != version {
            return s.tail(LOAD_ATTR);
        }
        let getter = (*cached(s).cast::<PropertyObject>()).prop_get;
        if getter.is_null() || !is_type(getter, &raw mut PyFunction_Type) {
            return s.tail(LOAD_ATTR);
        }
        let getter = getter.cast::<PyFunctionObject>();
        let code = (*getter).func_code.cast::<PyCodeObject>();
        if (*getter).func_version != getter_version as u32
            || !frames::has_stack_space(s.tstate(), (*code).co_framesize)
        {
            return s.tail(LOAD_ATTR);
        }
        incref(getter.cast());
        let frame = frames::push_unchecked(s.tstate(), getter, 1);
        *frame_locals(frame) = owner;
        s.shrink(1);
        s.enter(frame, LOAD)
    }

    /// High half: version of the function `__getattribute__`, which is the object.
    LOAD_ATTR_GETATTRIBUTE_OVERRIDDEN(s) {
        let owner = s.peek(1);
        let (version, function_version) = halves(s);
        if type_version(owner) != version {
            return s.tail(LOAD_ATTR);
        }
        let function = cached(s).cast::<PyFunctionObject>();
        let code = (*function).func_code.cast::<PyCodeObject>();
        if (*function).func_version != function_version as u32
            || !frames::has_stack_space(s.tstate(), (*code).co_framesize)
        {
            return s.tail(LOAD_ATTR);
        }
        incref(function.cast());
        let frame = frames::push_unchecked(s.tstate(), function, 2);
        *frame_locals(frame) = owner;
        *frame_locals(frame).add(1) = newref(s.name(s.oparg() >> 1));
        s.shrink(1);
        s.enter(frame, LOAD)
    }

    /// High half: version of the type's cached keys, none of which is the name.
    LOAD_ATTR_METHOD_WITH_VALUES(s) {
        let owner = s.peek(1);
        let (version, keys_version) = halves(s);
        if type_version(owner) != version || !keys_unchanged(owner, keys_version) {
            return s.tail(LOAD_ATTR);
        }
        loaded_method(s, owner, cached(s))
    }

    LOAD_ATTR_METHOD_NO_DICT(s) {
        let owner = s.peek(1);
        let (version, _) = halves(s);
        if type_version(owner) != version {
            return s.tail(LOAD_ATTR);
        }
        loaded_method(s, owner, cached(s))
    }

    /// High half: offset (signed) of the object's dictionary, which must not have come to be.
    LOAD_ATTR_METHOD_LAZY_DICT(s) {
        let owner = s.peek(1);
        let (version, offset) = halves(s);
        if type_version(owner) != version {
            return s.tail(LOAD_ATTR);
        }
        let dict = *owner.byte_offset(offset as u32 as i32 as isize).cast::<*mut PyObject>();
        if !dict.is_null() {
            return s.tail(LOAD_ATTR);
        }
        loaded_method(s, owner, cached(s))
    }

    /// High half as in LOAD_ATTR_METHOD_WITH_VALUES.
    LOAD_ATTR_NONDESCRIPTOR_WITH_VALUES(s) {
        let owner = s.peek(1);
        let (version, keys_version) = halves(s);
        if type_version(owner) != version || !keys_unchanged(owner, keys_version) {
            return s.tail(LOAD_ATTR);
        }
        loaded(s, owner, cached(s))
    }

    LOAD_ATTR_NONDESCRIPTOR_NO_DICT(s) {
        let owner = s.peek(1);
        let (version, _) = halves(s);
        if type_version(owner) != version {
            return s.tail(LOAD_ATTR);
        }
        loaded(s, owner, cached(s))
    }

    STORE_ATTR(s) {
        adapt!(s, crate::specialize::store_attr::store_attr);
        s.save_ip();
        let owner = s.peek(1);
        let value = s.peek(2);
        if let Some(old) = polymorphic::store_at_hand(owner, s.name(s.oparg()), value) {
            s.shrink(2);
            xdecref(old);
            decref(owner);
            return s.next_escaped(STORE);
        }
        let failed = ffi::PyObject_SetAttr(owner, s.name(s.oparg()), value) != 0;
        s.shrink(2);
        decref(value);
        decref(owner);
        if failed {
            return s.error();
        }
        s.next_escaped(STORE)
    }

    /// High half: index of the value. The dictionary, if there were one, would have to hear of a new key.
    STORE_ATTR_INSTANCE_VALUE(s) {
        let owner = s.peek(1);
        let (version, index) = halves(s);
        if type_version(owner) != version {
            return s.tail(STORE_ATTR);
        }
        let values = inline_values(owner);
        if !managed_dict(owner).is_null() || (*values).valid == 0 {
            return s.tail(STORE_ATTR);
        }
        let slot = inline_value_slot(values, index);
        let old = *slot;
        *slot = s.peek(2);
        if old.is_null() {
            values_add_to_insertion_order(values, index);
        } else if decref_is_zero(old) {
            return s.tail_with(stored_over_last, old as usize);
        }
        s.shrink(2);
        s.decref_then_next(owner, STORE)
    }

    /// High half: offset of the slot in the object.
    STORE_ATTR_SLOT(s) {
        let owner = s.peek(1);
        let (version, offset) = halves(s);
        if type_version(owner) != version {
            return s.tail(STORE_ATTR);
        }
        let slot = owner.byte_add(offset).cast::<*mut PyObject>();
        let old = *slot;
        *slot = s.peek(2);
        if !old.is_null() && decref_is_zero(old) {
            return s.tail_with(stored_over_last, old as usize);
        }
        s.shrink(2);
        s.decref_then_next(owner, STORE)
    }

    /// High half as in LOAD_ATTR_WITH_HINT.
    STORE_ATTR_WITH_HINT(s) {
        let owner = s.peek(1);
        let (version, index) = halves(s);
        if type_version(owner) != version {
            return s.tail(STORE_ATTR);
        }
        let dict = managed_dict(owner);
        let value = s.peek(2);
        if dict.is_null()
            || !is_type(dict.cast(), &raw mut ffi::PyDict_Type)
            // Watchers would have to be told; and a dictionary that the collector does not know of yet must be made known
            // with the first value that the collector may have to visit. The base instruction does both.
            || dict_is_watched(dict)
            || (!gc_is_tracked(dict.cast()) && has_feature(ty(value), ffi::Py_TPFLAGS_HAVE_GC))
        {
            return s.tail(STORE_ATTR);
        }
        let slot = value_at(dict, index, s.name(s.oparg()));
        if slot.is_null() {
            return s.tail(STORE_ATTR);
        }
        let old = *slot;
        *slot = value;
        dict_touch(dict);
        if decref_is_zero(old) {
            return s.tail_with(stored_over_last, old as usize);
        }
        s.shrink(2);
        s.decref_then_next(owner, STORE)
    }

    /// The value was stored, and the payload, which it replaced, is to be deallocated; the operands are on the stack still.
    #[cold]
    stored_over_last(s, old: usize) {
        s.save_ip();
        let owner = s.peek(1);
        s.shrink(2);
        dealloc(old as *mut PyObject);
        decref(owner);
        s.next_escaped(STORE)
    }

    DELETE_ATTR(s) {
        s.save_ip();
        let owner = s.pop();
        let failed = ffi::PyObject_SetAttr(owner, s.name(s.oparg()), ptr::null_mut()) != 0;
        decref(owner);
        if failed {
            return s.error();
        }
        s.next_escaped(1)
    }

    LOAD_SUPER_ATTR(s) {
        adapt!(s, crate::specialize::load_super_attr::load_super_attr);
        s.save_ip();
        let (callable, class, this) = (s.peek(3), s.peek(2), s.peek(1));
        let proxy = make_super(callable, class, this, s.oparg() & 2);
        s.shrink(3);
        decref(callable);
        decref(class);
        decref(this);
        if proxy.is_null() {
            return s.error();
        }
        let attr = ffi::PyObject_GetAttr(proxy, s.name(s.oparg() >> 2));
        decref(proxy);
        if attr.is_null() {
            return s.error();
        }
        s.push(attr);
        if s.oparg() & 1 != 0 {
            s.push(ptr::null_mut());
        }
        s.next_escaped(2)
    }

    LOAD_SUPER_ATTR_ATTR(s) {
        let (callable, class, this) = (s.peek(3), s.peek(2), s.peek(1));
        if callable != (&raw mut PySuper_Type).cast() || !is_class(class) {
            return s.tail(LOAD_SUPER_ATTR);
        }
        s.save_ip();
        let attr = _PySuper_Lookup(class.cast(), this, s.name(s.oparg() >> 2), ptr::null_mut());
        s.shrink(3);
        decref(callable);
        decref(class);
        decref(this);
        if attr.is_null() {
            return s.error();
        }
        s.push(attr);
        s.next_escaped(2)
    }

    LOAD_SUPER_ATTR_METHOD(s) {
        let (callable, class, this) = (s.peek(3), s.peek(2), s.peek(1));
        if callable != (&raw mut PySuper_Type).cast() || !is_class(class) {
            return s.tail(LOAD_SUPER_ATTR);
        }
        s.save_ip();
        let (found, attr) = super_method(class, this, s.name(s.oparg() >> 2));
        s.shrink(3);
        decref(callable);
        decref(class);
        if attr.is_null() {
            decref(this);
            return s.error();
        }
        s.push(attr);
        if found != 0 {
            s.push(this);
        } else {
            decref(this);
            s.push(ptr::null_mut());
        }
        s.next_escaped(2)
    }
}
