"""Names beside acts: people and hospitals by id, looked up once per page, in the reader's language."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import UUID

from auth import organisations, people
from core.db import Tx
from registry import questions
from registry.web.pages import in_language
from registry.web.translations import translate


@dataclass
class Names:
    """Gives names for ids; asks the database only for those it has not seen."""

    db: Tx
    language: str
    _people: dict[UUID, people.Byline] = field(default_factory=dict)
    _hospitals: dict[UUID, str] = field(default_factory=dict)

    def know(self, person_ids: Iterable[UUID | None]) -> None:
        """Look up many people at once."""
        wanted = {person_id for person_id in person_ids if person_id} - self._people.keys()
        if wanted:
            self._people |= people.bylines(self.db, wanted)

    def person(self, person_id: UUID | None) -> str:
        """A person's name, or what stands for the product itself."""
        if person_id is None:
            return translate(self.language, "who-system")
        self.know([person_id])
        found = self._people.get(person_id)
        return in_language(self.language, found) if found else translate(self.language, "who-unknown")

    def byline(self, person_id: UUID | None) -> str:
        """Name, title and hospital, as they stand beside somebody's work."""
        name = self.person(person_id)
        found = self._people.get(person_id) if person_id else None
        if found is None:
            return name
        told = f"{name} {found.title}".strip() if self.language == "zh" else name
        return translate(self.language, "who-byline", name=told, hospital=self.hospital(found.organisation_id))

    def phone(self, person_id: UUID) -> str:
        """The number at which a person is reached; empty where there is none."""
        return questions.contact(self.db, person_id).phone or ""

    def hospital(self, organisation_id: UUID) -> str:
        """A hospital's name."""
        if organisation_id not in self._hospitals:
            found = organisations.named(self.db, [organisation_id])
            self._hospitals |= {key: in_language(self.language, value) for key, value in found.items()}
        return self._hospitals.get(organisation_id, translate(self.language, "who-unknown"))
