// SPDX-License-Identifier: Apache-2.0
//! Values as Python writes and reads them.

pub mod format;
pub mod json;
pub mod number;
pub mod template;
pub mod text;
