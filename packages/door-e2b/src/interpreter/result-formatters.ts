import { asciiJson } from './ascii-json.ts'

/** Formats of our own, by which tables and charts come as what they show; the protocol's `data` and `chart`. */
export const DATA_FORMAT = 'e2b/data'
export const CHART_FORMAT = 'e2b/chart'

/** Code for a Python kernel, which leaves no name behind; it does something the first time alone. */
export function describeResults(): string {
  const register = `exec(${asciiJson(FORMATTERS)}, {'__name__': 'result_formatters'})`
  const present = `${asciiJson(DATA_FORMAT)} in i.get_ipython().display_formatter.formatters`
  return `(lambda i: i is None or i.get_ipython() is None or ${present} or ${register})(__import__('sys').modules.get('IPython'))`
}

const FORMATTERS = String.raw`
import datetime, decimal, math, re
from IPython import get_ipython
from IPython.core.formatters import BaseFormatter
from traitlets import ObjectName, Unicode

CELLS_MAX = 1_000_000
POINTS_MAX = 100_000


def plain(value):
    """As JSON has it: what is no number is null."""
    if type(value).__name__ in ('NAType', 'NaTType'):
        return None
    if getattr(value, 'shape', None) == () and hasattr(value, 'item'):
        value = value.item()
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, (float, decimal.Decimal)):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time)):
        return value.isoformat()
    if hasattr(value, 'tolist') and type(value).__name__ == 'datetime64':
        return str(value)
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    if isinstance(value, dict):
        return {str(key): plain(one) for key, one in value.items()}
    return str(value)


def data_of(frame):
    if frame.size > CELLS_MAX:
        return None
    return {str(name): [plain(one) for one in frame.iloc[:, at].tolist()] for at, name in enumerate(frame.columns)}


def chart_of(figure):
    charts = [chart_of_axes(axes) for axes in figure.axes]
    if len(charts) < 2:
        return charts[0] if charts else None
    title = figure._suptitle.get_text() if figure._suptitle else ''
    return {'type': 'superchart', 'title': title, 'elements': charts}


def chart_of_axes(axes):
    from matplotlib.collections import PathCollection
    from matplotlib.container import BarContainer
    from matplotlib.patches import Wedge

    title = {'title': axes.get_title()}
    wedges = [patch for patch in axes.patches if isinstance(patch, Wedge)]
    if wedges:
        slices = [{'label': one.get_label(), 'angle': plain(one.theta2 - one.theta1), 'radius': plain(one.r)} for one in wedges]
        return {'type': 'pie', **title, 'elements': slices}
    x, y = axes.get_xlabel(), axes.get_ylabel()
    flat = {**title, 'x_label': x or None, 'y_label': y or None, 'x_unit': unit(x), 'y_unit': unit(y)}
    boxes = boxes_of(axes)
    if boxes:
        return {'type': 'box_and_whisker', **flat, 'elements': boxes}
    bars = [one for one in axes.containers if isinstance(one, BarContainer)]
    if bars:
        return {'type': 'bar', **flat, 'elements': [bar for group in bars for bar in bars_of(axes, group)]}
    clouds = [one for one in axes.collections if isinstance(one, PathCollection)]
    lines = axes.get_lines()
    if not clouds and not lines:
        return {'type': 'unknown', **flat, 'elements': []}
    elements = [{'label': label(one), 'points': cloud(axes, one)} for one in clouds] or [
        {'label': label(one), 'points': points(one.get_xdata(), one.get_ydata())} for one in lines
    ]
    scales = {**scale_of('x', axes.xaxis), **scale_of('y', axes.yaxis)}
    return {'type': 'scatter' if clouds else 'line', **flat, **scales, 'elements': elements}


def unit(text):
    found = re.search(r'\((.*?)\)|\[(.*?)\]', text)
    return (found.group(1) or found.group(2)) if found else None


def label(artist):
    text = str(artist.get_label())
    return '' if text.startswith('_') else text


def points(xs, ys):
    return [[plain(x), plain(y)] for x, y in list(zip(xs, ys))[:POINTS_MAX]]


def cloud(axes, collection):
    offsets = collection.get_offsets()
    return points([shown(axes.xaxis, x) for x in offsets[:, 0]], [shown(axes.yaxis, y) for y in offsets[:, 1]])


def kind_of(axis):
    name = type(axis.converter).__name__
    return 'datetime' if 'Date' in name else 'categorical' if 'StrCategory' in name else axis.get_scale()


def shown(axis, position):
    """What stands at a position of an axis."""
    kind = kind_of(axis)
    if kind == 'datetime':
        from matplotlib.dates import num2date
        return num2date(position)
    if kind == 'categorical':
        return next((text for text, at in axis.units._mapping.items() if at == position), position)
    return position


def scale_of(name, axis):
    return {
        name + '_scale': kind_of(axis),
        name + '_ticks': [plain(shown(axis, at)) for at in axis.get_majorticklocs()],
        name + '_tick_labels': [one.get_text() for one in axis.get_majorticklabels()],
    }


def named(axis, position, width):
    """The tick that is meant for what stands there, or the position."""
    ticks = [(abs(at - position), one.get_text()) for at, one in zip(axis.get_majorticklocs(), axis.get_majorticklabels())]
    distance, text = min(ticks, default=(math.inf, ''))
    return text if text and distance <= max(width, 0.5) else format(position, 'g')


def bars_of(axes, group):
    upright = group.orientation != 'horizontal'
    for bar in group.patches:
        if upright:
            name, value = named(axes.xaxis, bar.get_x() + bar.get_width() / 2, bar.get_width()), bar.get_height()
        else:
            name, value = named(axes.yaxis, bar.get_y() + bar.get_height() / 2, bar.get_height()), bar.get_width()
        yield {'label': name, 'group': label(group), 'value': plain(value)}


def boxes_of(axes):
    """Of lines as a box plot draws them: for each box its outline (or a patch), two whiskers, two caps, median, outliers."""
    from matplotlib.patches import PathPatch

    lines = [(list(map(float, one.get_xdata())), list(map(float, one.get_ydata()))) for one in axes.get_lines() if numeric(one)]
    outlines = [path.get_path().vertices for path in axes.patches if isinstance(path, PathPatch)]
    shape = ([] if outlines else [5]) + [2, 2, 2, 2, 2]
    if len(lines) != len(axes.get_lines()) or not lines or len(lines) % (len(shape) + 1):
        return []
    boxes = []
    for at in range(0, len(lines), len(shape) + 1):
        group = lines[at:at + len(shape) + 1]
        if [len(xs) for xs, _ in group[:-1]] != shape:
            return []
        xs, ys = group[len(shape) - 1]
        upright = ys[0] == ys[1]
        values = 1 if upright else 0
        first, second = group[-6][values], group[-5][values]
        boxes.append({
            'label': named(axes.xaxis if upright else axes.yaxis, sum((xs, ys)[1 - values]) / 2, 0),
            'min': plain(min(first)), 'first_quartile': plain(max(first)), 'median': plain((xs, ys)[values][0]),
            'third_quartile': plain(min(second)), 'max': plain(max(second)),
            'outliers': [plain(one) for one in group[-1][values]],
        })
    return boxes if not outlines or len(outlines) == len(boxes) else []


def numeric(line):
    try:
        [float(one) for one in (*line.get_xdata(), *line.get_ydata())]
        return True
    except (TypeError, ValueError):
        return False


def register(name, method, type_name, describe):
    class Described(BaseFormatter):
        format_type = Unicode(name)
        print_method = ObjectName(method)
        _return_type = (dict,)

        # Not by registration: matplotlib's own set-up takes away what others registered for figures.
        def __call__(self, value):
            if any((of.__module__, of.__name__) == type_name for of in type(value).__mro__):
                return harmless(value)
            return super().__call__(value)

    def harmless(value):
        # A description that cannot be made is left out: the result has its other forms.
        try:
            return describe(value)
        except Exception:
            return None

    formatter = get_ipython().display_formatter
    formatter.formatters[name] = Described(parent=formatter)


register('e2b/data', '_repr_e2b_data_', ('pandas.core.frame', 'DataFrame'), data_of)
register('e2b/chart', '_repr_e2b_chart_', ('matplotlib.figure', 'Figure'), chart_of)
`
