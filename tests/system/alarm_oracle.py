"""When alarms ring, by RFC 5545 and RFC 9074: events made by chance, and what they give, reckoned with zoneinfo and
dateutil alone.

An event is made as plain values; `text` writes them as iCalendar, `rings` says when its alarms ring. Nothing here knows
the code under test, and the two share no line.
"""

import copy
import random
import zoneinfo
from datetime import date, datetime, timedelta, timezone

from dateutil import rrule

ZONES = ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "Asia/Kolkata",
         "America/St_Johns"]
FROM, TO = datetime(2025, 1, 1, tzinfo=timezone.utc), datetime(2028, 1, 1, tzinfo=timezone.utc)
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
DAYS = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"]
PERSON = "ada@example.org"
# Nights in which clocks change, or changed until lately: what is near them is most of what goes wrong.
CHANGES = [(2025, 3, 30), (2025, 10, 26), (2026, 3, 29), (2027, 10, 31), (2025, 3, 9), (2025, 11, 2), (2026, 11, 1),
           (2025, 4, 6), (2025, 10, 5), (2026, 10, 4), (2025, 2, 23), (2025, 4, 6), (2026, 2, 15), (2026, 3, 22)]


def seconds(instant):
    return int((instant - EPOCH).total_seconds())


def instant(wall, zone):
    """A time on the wall as one of the world. In a gap by the offset before it, of two the first (RFC 5545, 3.3.5):
    that is what fold=0 means."""
    return wall.replace(tzinfo=zoneinfo.ZoneInfo(zone), fold=0).astimezone(timezone.utc)


def wall_of(moment, zone):
    return moment.astimezone(zoneinfo.ZoneInfo(zone)).replace(tzinfo=None, fold=0)


class Span:
    """A nominal part, days on the calendar, and an exact one (RFC 5545, 3.3.6); both with one sign."""

    def __init__(self, days=0, exact=0):
        self.days, self.exact = days, exact

    def after(self, wall, zone):
        if not self.days:
            return instant(wall, zone) + timedelta(seconds=self.exact)
        return instant(wall + timedelta(days=self.days), zone) + timedelta(seconds=self.exact)

    def __str__(self):
        days, exact = abs(self.days), abs(self.exact)
        text = "-P" if self.days < 0 or self.exact < 0 else "P"
        if days and days % 7 == 0 and not exact:
            return f"{text}{days // 7}W"
        text += f"{days}D" if days else ""
        if exact or not days:
            hours, minutes, rest = exact // 3600, exact // 60 % 60, exact % 60
            text += "T" + (f"{hours}H" if hours else "") + (f"{minutes}M" if minutes or (hours and rest) else "")
            text += f"{rest}S" if rest or not exact else ""
        return text


# ---- made by chance


def a_wall(chance):
    if chance.random() < 0.4:
        day = datetime(*chance.choice(CHANGES)) + timedelta(days=chance.choice([-1, 0, 0, 0, 1]))
        return day + timedelta(minutes=chance.choice([0, 30, 90, 120, 135, 150, 165, 180, 185, 540]))
    day = datetime(2024, 10, 1) + timedelta(days=chance.randrange(1100))
    return day + timedelta(minutes=chance.choice([0, 420, 540, 555, 720, 1020, chance.randrange(1440), 1439]))


def a_rule(chance, all_day):
    """RRULE parts in dateutil's own words."""
    kind = chance.choice(["daily", "weekly", "monthday", "nth", "setpos", "yearly", "yearday", "weekno", "easter"] +
                         ([] if all_day else ["hourly", "times"]))
    rule = {"INTERVAL": chance.choice([1, 1, 1, 2, 3, 5])}
    if kind in ("daily", "easter"):
        rule["FREQ"] = "DAILY"
        if chance.random() < 0.3:
            rule["BYMONTH"] = chance.sample([1, 3, 6, 10, 11], 2)
    elif kind == "times":
        rule |= {"FREQ": "DAILY", "BYHOUR": chance.sample(range(24), 2), "BYMINUTE": [chance.choice([0, 30])]}
        rule["INTERVAL"] = chance.choice([3, 7, 10])
    elif kind == "hourly":
        rule |= {"FREQ": "HOURLY", "COUNT": chance.randrange(2, 60)}
    elif kind == "weekly":
        rule |= {"FREQ": "WEEKLY", "BYDAY": chance.sample(DAYS, chance.randrange(1, 4))}
        if chance.random() < 0.5:
            rule["WKST"] = chance.choice(["SU", "WE"])
    elif kind == "monthday":
        rule |= {"FREQ": "MONTHLY", "BYMONTHDAY": chance.sample([1, 13, 15, 29, 30, 31, -1, -2, -7], 2)}
    elif kind == "nth":
        rule |= {"FREQ": "MONTHLY", "BYDAY": [f"{chance.choice([1, 2, 4, 5, -1, -2])}{chance.choice(DAYS)}"]}
    elif kind == "setpos":
        rule |= {"FREQ": "MONTHLY", "BYDAY": chance.choice([DAYS[:5], ["SA", "SU"]]),
                 "BYSETPOS": [chance.choice([1, 2, -1, -2])]}
    elif kind == "yearly":
        rule |= {"FREQ": "YEARLY", "BYMONTH": [chance.choice([2, 3, 10])],
                 "BYDAY": [chance.choice(["-1SU", "2SU", "1MO"])], "INTERVAL": 1}
    elif kind == "yearday":
        rule |= {"FREQ": "YEARLY", "BYYEARDAY": chance.sample([1, 59, 60, 100, 366, -1, -60], 3), "INTERVAL": 1}
    else:
        rule |= {"FREQ": "YEARLY", "BYWEEKNO": chance.sample([1, 13, 20, 44, 52, 53], 3), "INTERVAL": 1,
                 "BYDAY": [chance.choice(DAYS)]}
    if "COUNT" not in rule and chance.random() < 0.35:
        rule["COUNT"] = chance.randrange(1, 40)
    return rule


def an_alarm(chance, name, start):
    alarm = {"uid": name, "absolute": None, "end": False, "repeat": 0, "pause": 0, "acknowledged": None, "extra": []}
    if chance.random() < 0.15:
        moment = instant(start, "UTC") + timedelta(minutes=chance.randrange(-5000, 5000))
        alarm["absolute"] = moment
    else:
        alarm["end"] = chance.random() < 0.25
        sign = chance.choice([-1, -1, -1, 1])
        days, exact = chance.choice([(0, 0), (0, 300), (0, 900), (0, 3600), (0, 5400), (0, 86400), (1, 0), (2, 0),
                                     (7, 0), (1, 7200), (0, 86399), (0, 43200)])
        alarm["trigger"] = Span(sign * days, sign * exact)
    if chance.random() < 0.2:
        alarm["repeat"], alarm["pause"] = chance.randrange(1, 5), chance.choice([60, 300, 3600, 90000])
    return alarm


def some_alarms(chance, name, start):
    alarms = [an_alarm(chance, f"{name}-{number}", start) for number in range(chance.choice([1, 1, 1, 2, 3]))]
    if chance.random() < 0.12:
        alarm = chance.choice(alarms)
        alarm["acknowledged"] = instant(start, "UTC") + timedelta(minutes=chance.randrange(-3000, 100000))
        if chance.random() < 0.5:  # snoozed: one of its own beside it (RFC 9074, 7)
            snooze = an_alarm(chance, f"{name}-snooze", start)
            snooze |= {"absolute": alarm["acknowledged"] + timedelta(minutes=5), "repeat": 0}
            snooze["extra"] = [f"RELATED-TO;RELTYPE=SNOOZE:{alarm['uid']}"]
            alarms.append(snooze)
    if chance.random() < 0.05:  # by place, not by the clock
        alarms.append({**an_alarm(chance, f"{name}-place", start), "extra": ["PROXIMITY:ARRIVE"], "never": True})
    if chance.random() < 0.05:
        alarms.append({**an_alarm(chance, f"{name}-none", start), "action": "NONE", "never": True})
    return alarms


def a_component(chance, name, start, all_day, zone):
    """zone None: floating; all_day: a date. The length is DTEND's (exact) or DURATION's (nominal)."""
    component = {"start": start, "all_day": all_day, "zone": zone, "alarms": some_alarms(chance, name, start),
                 "status": "", "declined": chance.random() < 0.03, "name": name}
    if chance.random() < 0.04:
        component["status"] = "CANCELLED"
    if all_day:
        component["length"] = ("end", Span(chance.choice([1, 1, 2, 5])))
    elif chance.random() < 0.5:
        component["length"] = ("end", Span(0, 60 * chance.choice([0, 15, 60, 600, 1440, 3000])))
    else:
        component["length"] = ("duration", chance.choice([Span(0, 1800), Span(0, 86400), Span(1), Span(2, 3600)]))
    return component


def an_event(seed, number):
    chance = random.Random(f"{seed}/{number}")
    own_zone = chance.choice(ZONES)  # the person's
    all_day = chance.random() < 0.15
    zone = None if all_day or chance.random() < 0.1 else chance.choice([own_zone, chance.choice(ZONES), "UTC"])
    start = a_wall(chance)
    start = datetime(start.year, start.month, start.day) if all_day else start
    event = {"uid": f"event-{number}", "person_zone": own_zone, "rule": None, "dates": [], "excepted": [],
             "overrides": []}
    if chance.random() < 0.75:
        event["rule"] = a_rule(chance, all_day)
        first = next(iter(walls(event["rule"], start)), None)
        if first is None:
            event["rule"] = None
        start = first or start  # DTSTART is in step with its rule (RFC 5545, 3.8.5.3)
    event["master"] = a_component(chance, f"m{number}", start, all_day, zone)
    if event["rule"]:
        vary(event, chance, number)
    return event


def vary(event, chance, number):
    master = event["master"]
    if "COUNT" not in event["rule"] and chance.random() < 0.4:
        last = start_walls(event)[-1 if chance.random() < 0.5 else -1 - min(3, len(start_walls(event)) - 1)]
        event["rule"]["UNTIL"] = last if master["all_day"] else last + timedelta(minutes=chance.choice([0, 0, -1, 1]))
    some = start_walls(event)
    for _ in range(chance.choice([0, 0, 1, 3])):
        event["excepted"].append(chance.choice(some))
    zone = master["zone"] or event["person_zone"]
    taken = {instant(wall, zone) for wall in some}  # whose length counts where a period meets another is nowhere said
    if chance.random() < 0.25:
        for _ in range(chance.randrange(1, 4)):
            wall = a_wall(chance)
            wall = datetime(wall.year, wall.month, wall.day) if master["all_day"] else wall
            period = None if master["all_day"] or chance.random() < 0.7 else 60 * chance.choice([10, 90, 1500])
            if wall > master["start"] and (not period or instant(wall, zone) not in taken):
                event["dates"].append((wall, period))
                taken.add(instant(wall, zone))
    used = set()
    for index in range(chance.choice([0, 0, 0, 1, 2])):
        of = chance.choice(some)
        if of in used:
            continue
        used.add(of)
        start = of + (timedelta(days=chance.choice([0, 1, -1, 7])) if master["all_day"] else
                      timedelta(minutes=chance.choice([0, 30, -60, 1440, -2880, 15])))
        zone = chance.choice([master["zone"], master["zone"], chance.choice(ZONES)]) if master["zone"] else None
        override = a_component(chance, f"o{number}-{index}", start, master["all_day"], zone)
        override |= {"of": of, "future": chance.random() < 0.3}
        event["overrides"].append(override)


# ---- written as iCalendar


def stamp(moment):
    return moment.strftime("%Y%m%dT%H%M%SZ")


def time_lines(name, wall, component, more=""):
    if component["all_day"]:
        return f"{name};VALUE=DATE{more}:{wall:%Y%m%d}"
    if component["zone"] == "UTC":
        return f"{name}{more}:{wall:%Y%m%dT%H%M%S}Z"
    zone = f";TZID={component['zone']}" if component["zone"] else ""
    return f"{name}{zone}{more}:{wall:%Y%m%dT%H%M%S}"


def alarm_lines(alarm):
    yield "BEGIN:VALARM"
    yield f"ACTION:{alarm.get('action', 'DISPLAY')}"
    yield f"UID:{alarm['uid']}"
    if alarm["absolute"]:
        yield f"TRIGGER;VALUE=DATE-TIME:{stamp(alarm['absolute'])}"
    else:
        yield f"TRIGGER{';RELATED=END' if alarm['end'] else ''}:{alarm['trigger']}"
    if alarm["repeat"]:
        yield f"REPEAT:{alarm['repeat']}"
        yield f"DURATION:{Span(0, alarm['pause'])}"
    if alarm["acknowledged"]:
        yield f"ACKNOWLEDGED:{stamp(alarm['acknowledged'])}"
    yield from alarm["extra"]
    yield "DESCRIPTION:x"
    yield "END:VALARM"


def component_lines(event, component):
    yield "BEGIN:VEVENT"
    yield f"UID:{event['uid']}"
    yield "DTSTAMP:20240901T000000Z"
    yield time_lines("DTSTART", component["start"], component)
    kind, length = component["length"]
    if kind == "duration":
        yield f"DURATION:{length}"
    elif component["all_day"]:
        yield time_lines("DTEND", component["start"] + timedelta(days=length.days), component)
    else:  # in UTC, so that it says what it means in the hour that comes twice
        zone = component["zone"] or event["person_zone"]
        end = instant(component["start"], zone) + timedelta(seconds=length.exact)
        if component["zone"]:
            yield f"DTEND:{stamp(end)}"
        else:
            yield f"DURATION:{Span(0, length.exact)}"
    if component["status"]:
        yield f"STATUS:{component['status']}"
    if component["declined"]:
        yield f"ATTENDEE;PARTSTAT=DECLINED:mailto:{PERSON}"
    if "of" in component:
        yield time_lines("RECURRENCE-ID", component["of"], event["master"],
                         ";RANGE=THISANDFUTURE" if component["future"] else "")
    else:
        yield from series_lines(event, component)
    for alarm in component["alarms"]:
        yield from alarm_lines(alarm)
    yield "END:VEVENT"


def series_lines(event, master):
    if event["rule"]:
        parts = []
        for name, value in event["rule"].items():
            if name == "UNTIL":
                value = until_text(value, master)
            parts.append(f"{name}={','.join(map(str, value)) if isinstance(value, list) else value}")
        yield "RRULE:" + ";".join(parts)
    for wall in event["excepted"]:
        yield time_lines("EXDATE", wall, master)
    for wall, period in event["dates"]:
        line = time_lines("RDATE", wall, master, ";VALUE=PERIOD" if period else "")
        yield f"{line}/{Span(0, period)}" if period else line


def until_text(value, master):
    if master["all_day"]:
        return f"{value:%Y%m%d}"
    if master["zone"]:
        return stamp(instant(value, master["zone"]))
    return f"{value:%Y%m%dT%H%M%S}"


def text(event):
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//example.org//oracle//EN"]
    for component in [event["master"], *event["overrides"]]:
        lines += component_lines(event, component)
    return "\r\n".join([*lines, "END:VCALENDAR", ""]).encode()


# ---- when they ring


def walls(rule, start):
    """What a rule gives from a time on, on the wall, up to two weeks after the years that are looked at."""
    named = {"FREQ": getattr(rrule, rule["FREQ"]), "INTERVAL": rule.get("INTERVAL", 1)}
    days = [parse_day(day) for day in rule.get("BYDAY", [])]
    end = TO.replace(tzinfo=None) + timedelta(days=14)
    found = rrule.rrule(
        named["FREQ"], dtstart=start, interval=named["INTERVAL"], count=rule.get("COUNT"),
        until=None if "COUNT" in rule else end, wkst=DAYS.index(rule.get("WKST", "MO")), byweekday=days or None,
        bymonth=rule.get("BYMONTH"), bymonthday=rule.get("BYMONTHDAY"), byyearday=rule.get("BYYEARDAY"),
        byweekno=rule.get("BYWEEKNO"), bysetpos=rule.get("BYSETPOS"), byhour=rule.get("BYHOUR"),
        byminute=rule.get("BYMINUTE"))
    for wall in found:
        if wall > end:
            return
        yield wall


def parse_day(day):
    return getattr(rrule, day[-2:])(int(day[:-2])) if len(day) > 2 else getattr(rrule, day)


def start_walls(event):
    """What the rule gives; never nothing, since DTSTART is in step."""
    master, until = event["master"], event["rule"].get("UNTIL")
    zone = master["zone"] or event["person_zone"]
    found = []
    for wall in walls(event["rule"], master["start"]):
        if until is not None and instant(wall, zone) > instant(until, zone):
            break
        found.append(wall)
    return found or [master["start"]]


def instances(event):
    """(its name as an instant, its start on the wall, its zone, its component, its length as RDATE has it)."""
    master, person = event["master"], event["person_zone"]
    zone = master["zone"] or person
    series = {}
    # A date that is written down and lies in a gap is the time an hour later; what a rule gives is moved as a rule.
    dates = sorted((wall_of(instant(wall, zone), zone), period or 0) for wall, period in event["dates"])
    ruled = start_walls(event) if event["rule"] else []
    for wall, period in [(wall, 0) for wall in [*ruled, master["start"]]] + dates:
        series.setdefault(instant(wall, zone), (wall, period))
    gone = {instant(wall, zone) for wall in event["excepted"]}
    futures = []
    for override in event["overrides"]:
        name = instant(override["of"], zone)
        gone.add(name)
        yield name, override["start"], override["zone"] or person, override, None
        if override["future"]:
            futures.append((name, override))
    futures.sort(key=lambda pair: pair[0])
    for name, (wall, period) in series.items():
        if name in gone:
            continue
        component, place = master, zone
        for first, override in futures:
            if first <= name:
                component, place = override, override["zone"] or person
        if component is not master:  # moved by as much as the instance that it names (RFC 5545, 3.8.4.4)
            wall += component["start"] - wall_of(instant(component["of"], zone), zone)
        yield name, wall, place, component, period


def is_silent(component):
    return component["status"] == "CANCELLED" or component["declined"]


def ring(alarm, first, name, found):
    for number in range(alarm["repeat"] + 1):
        at = first + timedelta(seconds=number * alarm["pause"])
        if FROM < at <= TO and not (alarm["acknowledged"] and at <= alarm["acknowledged"]):
            found.append((seconds(at), alarm["uid"], name, number))


def rings(event):
    """All of FROM to TO: (when, the alarm's UID, its instance's name or 0, which repetition), sorted."""
    found = []
    for component in [event["master"], *event["overrides"]]:
        for alarm in component["alarms"]:
            if alarm["absolute"] and not is_silent(component) and not alarm.get("never"):
                ring(alarm, alarm["absolute"], 0, found)
    for name, wall, zone, component, period in instances(event):
        if is_silent(component):
            continue
        start = instant(wall, zone)
        wall = wall_of(start, zone)  # in a gap it means the time an hour later, and counts from there
        end = start + timedelta(seconds=period) if period else component["length"][1].after(wall, zone)
        for alarm in component["alarms"]:
            if alarm["absolute"] or alarm.get("never"):
                continue
            trigger = alarm["trigger"]
            if not trigger.days:
                first = (end if alarm["end"] else start) + timedelta(seconds=trigger.exact)
            else:
                first = trigger.after(wall_of(end, zone) if alarm["end"] else wall, zone)
            ring(alarm, first, seconds(name), found)
    return sorted(found)
