# SPDX-License-Identifier: Apache-2.0
"""What structured answers are parsed into."""
from typing import Literal

from pydantic import BaseModel


class Person(BaseModel):
    name: str
    age: int


class Owner(BaseModel):
    person: Person
    pet: Literal["cat", "dog"]
