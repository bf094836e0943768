"""The plugin `fake-data`: `{{ $randFullName() }}` and its like, by the library `faker` and the seed."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from loadgen.errors import UsageError

if TYPE_CHECKING:
    from datetime import datetime

    from loadgen.importers.artillery.flow import Compiler, Function
    from loadgen.importers.artillery.virtual_user import VirtualUser

_GENDERS = ("female", "male", "non-binary")
# What the plugin's functions are called, and what makes such a value here.
_PROVIDERS = {
    "randAccount": "iban",
    "randAlpha": "random_letter",
    "randAirportCode": lambda fake: fake.lexify("???").upper(),
    "randAlphaNumeric": lambda fake: fake.bothify("?"),
    "randAmount": lambda fake: round(fake.random.uniform(0, 10_000), 2),
    "randBic": "swift",
    "randBoolean": "pybool",
    "randBrand": "company",
    "randBrowser": "user_agent",
    "randCatchPhrase": "catch_phrase",
    "randChanceBoolean": "pybool",
    "randCity": "city",
    "randColor": "color_name",
    "randCompanyName": "company",
    "randCountry": "country",
    "randCountryCode": "country_code",
    "randCounty": "city",
    "randCreditCardBrand": "credit_card_provider",
    "randCreditCardCVV": "credit_card_security_code",
    "randCreditCardNumber": "credit_card_number",
    "randCurrencyCode": "currency_code",
    "randCurrencyName": "currency_name",
    "randCurrencySymbol": "currency_symbol",
    "randDirectoryPath": lambda fake: fake.file_path(depth=2).rpartition("/")[0],
    "randDomainName": "domain_name",
    "randDomainSuffix": "tld",
    "randEmail": "email",
    "randEmailProvider": "free_email_domain",
    "randEmoji": "emoji",
    "randEthereumAddress": lambda fake: f"0x{fake.hexify('^' * 40)}",
    "randFileExt": "file_extension",
    "randFileName": "file_name",
    "randFilePath": "file_path",
    "randFirstName": "first_name",
    "randFloat": lambda fake: round(fake.random.uniform(0, 999_999), 2),
    "randFullAddress": lambda fake: fake.address().replace("\n", ", "),
    "randFullName": "name",
    "randFutureDate": lambda fake: _date(fake.future_datetime()),
    "randGender": lambda fake: fake.random_element(_GENDERS),
    "randGitCommitSha": "sha1",
    "randGitShortSha": lambda fake: fake.sha1()[:7],
    "randHex": "hex_color",
    "randHexaDecimal": lambda fake: fake.hexify("^"),
    "randHttpMethod": "http_method",
    "randIban": "iban",
    "randImg": "image_url",
    "randIp": "ipv4",
    "randIpv6": "ipv6",
    "randJobTitle": "job",
    "randLanguage": "language_name",
    "randLastName": "last_name",
    "randLatitude": lambda fake: float(fake.latitude()),
    "randLocale": "locale",
    "randLongitude": lambda fake: float(fake.longitude()),
    "randMac": "mac_address",
    "randMimeType": "mime_type",
    "randMonth": "month_name",
    "randNoun": "word",
    "randNumber": lambda fake: fake.random.randint(0, 999_999),
    "randParagraph": "paragraph",
    "randPassword": "password",
    "randPastDate": lambda fake: _date(fake.past_datetime()),
    "randPersonTitle": "prefix",
    "randPhoneNumber": "phone_number",
    "randPhrase": "sentence",
    "randPort": "port_number",
    "randProductName": lambda fake: fake.catch_phrase().title(),
    "randRecentDate": lambda fake: _date(fake.past_datetime("-1d")),
    "randRgb": "rgb_css_color",
    "randRoutingNumber": "aba",
    "randSemver": lambda fake: fake.numerify("%.#.#"),
    "randSentence": "sentence",
    "randSlug": "slug",
    "randSoonDate": lambda fake: _date(fake.future_datetime("+1d")),
    "randState": "state",
    "randStateAbbr": "state_abbr",
    "randStreetAddress": "street_address",
    "randStreetName": "street_name",
    "randText": "text",
    "randTimeZone": "timezone",
    "randUrl": "url",
    "randUserAgent": "user_agent",
    "randUserName": "user_name",
    "randUuid": "uuid4",
    "randVerb": "word",
    "randWeekday": "day_of_week",
    "randWord": "word",
    "randZipCode": "postcode",
}
# Options of which a function makes use.
_OPTIONS = frozenset({"length", "min", "max", "fraction"})


def fake_functions(config: Any, compiler: Compiler) -> dict[str, Function]:
    """The plugin's functions, by the names that templates call them."""
    try:
        from faker import Faker
    except ImportError:
        raise UsageError(
            "config.plugins.fake-data needs the library faker, which is not installed",
            hint="pip install 'loadgen[fake]'",
        ) from None
    options = config if isinstance(config, Mapping) else {}
    for name, given in options.items():
        if name not in _PROVIDERS:
            compiler.note(f"config.plugins.fake-data.{name} is not known here, and without effect")
            continue
        for option in given if isinstance(given, Mapping) else ():
            if option not in _OPTIONS:
                compiler.note(f"config.plugins.fake-data.{name}.{option} is without effect here")
    fake = Faker("en_US", use_weighting=False)
    return {f"${name}": partial(_made, fake, maker, options.get(name)) for name, maker in _PROVIDERS.items()}


def _date(at: datetime) -> str:
    return f"{at.isoformat(timespec='milliseconds')}Z"


def _made(fake: Any, maker: Any, options: Any, vu: VirtualUser, *given: Any) -> Any:
    """One value; several, as a list, where `length` asks for so many."""
    del given
    fake = fake.factories[0]
    fake.random = vu.rng
    wish = options if isinstance(options, Mapping) else {}
    make = partial(getattr(fake, maker)) if isinstance(maker, str) else partial(maker, fake)
    if "min" in wish or "max" in wish:
        make = partial(_number, fake, wish)
    length = wish.get("length")
    return [make() for _ in range(int(length))] if length else make()


def _number(fake: Any, wish: Mapping[str, Any]) -> float:
    least, most = wish.get("min", 0), wish.get("max", 999_999)
    if "fraction" in wish:
        return round(float(fake.random.uniform(least, most)), int(wish["fraction"]))
    return int(fake.random.randint(int(least), int(most)))
