"""Format a latency card as a table for people."""

from edge.bench.card import COLD_S, PERCENTILES, SUSTAINED_S, Card
from edge.bench.stopwatch import STAGES

STAGE_NAMES = {
    "camera": "waiting for the camera",
    "hand": "hand search, tracking",
    "find": "  of it: palm detector",
    "preprocess": "  of it: preprocessing",
    "inference": "  inference",
    "decode": "  decoding",
    "sinks": "sinks",
    "frame_to_letter": "frame to letter",
}


def format_card(card: Card) -> list[str]:
    """Return the lines that `asl-edge bench` prints, at most 80 columns wide."""
    machine, settings, frames, own = card["machine"], card["settings"], card["frames"], card["own_cost"]
    whole = [("", card["whole"])]
    parts = [(f"first {COLD_S:.0f} s", card["cold"]), (f"last {SUSTAINED_S:.0f} s", card["sustained"])]
    ran_on = settings.get("ran_on", "cpu")  # cards of asl-edge 0.2 have none
    provider = ran_on.partition(":")[0]
    columns = parts if card["cold"] else whole
    width = 7
    lines = [
        f"{(machine['board'] or machine['name'])[:38]}: {machine['cpu'][:32]}, {machine['cores']} cores",
        f"{settings['engine']} {settings['variant']} on {provider} at {card['package']['input_px']} px,"
        f" threads {settings['threads']}, spinning {'on' if settings['spinning'] else 'off'};"
        f" {settings['camera']}, {card['span_s']:.0f} s",
        "",
    ]
    if card["cold"]:
        lines.append(" " * 22 + "".join(f"{title:>{4 * width}}" for title, _ in columns))
    heads = "".join(f"{head:>{width}}" for head in (*PERCENTILES, "max"))
    lines.append(f"{'ms':<22}" + heads * len(columns))
    for stage in STAGES:
        cells = "".join(_cells(part[stage], width) for _, part in columns)
        lines.append(f"{STAGE_NAMES[stage]:<22}{cells}")
    memory = card["memory_mb"]
    lines += [
        "",
        f"frames per second     {frames['offered_per_s']:.1f} offered, {frames['read_per_s']:.1f} read,"
        f" {frames['dropped']} dropped of {frames['read'] + frames['dropped']}",
        f"inferences per frame  {frames['looks_per_frame']:.2f}; {frames['searched']} frames were searched"
        " for a hand",
        *([f"model ran on          {ran_on}"] if ran_on != provider else []),
        f"processor             {card['cpu_s_per_minute_of_video']:.1f} s per minute of video",
        f"memory                {memory['peak']:.0f} MB at most, {memory['steady']:.0f} MB steady",
        f"since the start       first frame after {_seconds(card['start_to_first_frame_s'])}, first letter"
        f" {_seconds(card['start_to_first_letter_s'])}, {frames['letters']} letters",
        *_board_lines(card),
        f"own cost              {own['share']:.2%} of the processor's time: {own['us_per_frame']:.0f} us a"
        f" frame",
        "                      (timed over 2000 empty steps), and reading the instruments",
    ]
    return lines


def _board_lines(card: Card) -> list[str]:
    parts = card["over_time"]
    lines = []
    for key, name, unit in (("temperature_c", "temperature", "C"), ("clock_mhz", "clock", "MHz")):
        values = [part[key] for part in parts if part[key] is not None]
        if values:
            lines.append(
                f"{name:<22}{values[0]:.0f} {unit} at first, {values[-1]:.0f} at the end,"
                f" {min(values):.0f} to {max(values):.0f}"
            )
    if not lines:
        lines.append("temperature, clock    this machine measures neither")
    reasons = card["held_back"]
    lines.append(f"throttled             {'yes' if reasons else 'no sign of it'}")
    lines += [f"                      {words[:56]}" for words in reasons]
    return lines


def _cells(spread: Card, width: int) -> str:
    return "".join(f"{_ms(spread[name]):>{width}}" for name in (*PERCENTILES, "max"))


def _ms(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.2f}" if value < 100 else f"{value:.0f}"


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} s"
