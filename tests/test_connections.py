"""Connections: every one against loops or dense weights, and its gradient against autograd."""

import pytest
import torch
from einops import rearrange, reduce
from torch.nn.functional import one_hot

from ffrec import registry
from ffrec.learning.connection import Codes, Dense, Masked
from ffrec.learning.fields import Convolution, Local, square_fields
from ffrec.learning.layer import Layer

SIDE, FIELD, STRIDE, BELOW, CHANNELS = 5, 3, 2, 2, 4


def masked(generator):
    return Masked(torch.rand(8, 5, generator=generator) < 0.5, generator)


MAKERS = {
    "masked": masked,
    "local": lambda generator: Local(square_fields(SIDE, FIELD, STRIDE, BELOW), CHANNELS, generator),
    **{
        f"convolution {stride} {padding}": lambda generator, s=stride, p=padding: Convolution(
            (2, 5, 4), 3, 3, generator, s, p
        )
        for stride in (1, 2)
        for padding in (0, 1)
    },
    **{
        name: lambda generator, make=make: make(8, 5, generator)
        for name, make in registry.menu("connection").items()
    },
}


@pytest.fixture
def local(generator):
    return Local(square_fields(SIDE, FIELD, STRIDE, BELOW), CHANNELS, generator).double()


def as_dense(local, weight):
    """The dense weights that a local layer stands for, filled in one unit at a time."""
    dense = torch.zeros(SIDE * SIDE * BELOW, local.units, dtype=weight.dtype)
    for place in range(len(local.fields)):
        for seen, source in enumerate(local.fields[place]):
            dense[source, place * CHANNELS : (place + 1) * CHANNELS] = weight[place, seen]
    return dense


def test_fields_are_squares_in_order():
    fields = square_fields(SIDE, FIELD, STRIDE, BELOW)
    assert fields.shape == (4, FIELD * FIELD * BELOW)
    for place, (top, left) in enumerate([(0, 0), (0, 2), (2, 0), (2, 2)]):
        rows, columns = range(top, top + FIELD), range(left, left + FIELD)
        units = [(y * SIDE + x) * BELOW + c for y in rows for x in columns for c in range(BELOW)]
        assert fields[place].tolist() == units


@pytest.mark.parametrize(("side", "field", "stride"), [(4, 5, 1), (6, 3, 2)])
def test_fields_that_do_not_fit_are_refused(side, field, stride):
    with pytest.raises(ValueError, match="a stride that divides"):
        square_fields(side, field, stride)


@pytest.mark.parametrize("shape", [(6,), (3, 2)])
def test_batched_equals_masked_dense(local, shape, generator):
    masked = Masked(local.mask(), generator).double()
    masked.weight.copy_(as_dense(local, local.weight))
    assert torch.equal(masked.weight * masked.mask, masked.weight)
    x = torch.rand(*shape, SIDE * SIDE * BELOW, generator=generator, dtype=torch.float64)
    torch.testing.assert_close(local(x), masked(x))
    delta = torch.randn(*shape, local.units, generator=generator, dtype=torch.float64)
    x, delta = x.view(6, -1), delta.view(6, -1)
    for each in (local, masked):
        each.add_weight_grad(x, delta)
    torch.testing.assert_close(as_dense(local, local.weight.grad), masked.weight.grad)
    torch.testing.assert_close(masked.weight.grad, (x.T @ delta) * masked.mask)


@pytest.mark.parametrize("dtype", [None, torch.bfloat16])
def test_dense_connections_add_the_product(dtype, generator):
    dense, x = Dense(5, 3, generator), torch.randn(7, 5, generator=generator)
    delta = torch.randn(7, 3, generator=generator)
    dense.arithmetic = dtype
    dense.weight_grad.fill_(1.0)
    dense.add_weight_grad(x.to(dense.dtype), -2 * delta.to(dense.dtype))
    tolerance = {"atol": 0.05, "rtol": 0.05} if dtype else {}
    torch.testing.assert_close(dense.weight.grad, 1 - 2 * torch.einsum("bi,bo->io", x, delta), **tolerance)


def test_masked_weights_stay_where_they_are(generator):
    mask = torch.rand(8, 5, generator=generator) < 0.5
    layer = Layer({"0": Masked(mask, generator)})
    assert torch.equal(layer.connection("0").weight != 0, mask)
    optimiser = torch.optim.AdamW(layer.connections.parameters(), lr=0.1, weight_decay=0.1)
    for _ in range(3):
        x = torch.rand(6, 8, generator=generator)
        layer.zero_grad()
        layer.add_grads("0", x, torch.randn(6, 5, generator=generator), torch.ones(()), None)
        optimiser.step()
    assert torch.equal(layer.connection("0").weight != 0, mask)


@pytest.mark.parametrize(
    "make",
    [
        lambda g: Dense(400, 300, g),
        lambda g: Local(square_fields(20, 10, 10), 300, g),
        lambda g: Masked(torch.arange(400)[:, None] % 4 == torch.arange(300) % 4, g),
        lambda g: Convolution((4, 10, 10), 50, 5, g),
        lambda g: Codes(20, 300, g),
        lambda g: Codes(20, 300, g, positions=5),
    ],
)
def test_new_weights_keep_the_size_of_what_they_send(make, generator):
    connection = make(generator)
    if isinstance(connection, Codes):
        x = torch.randint(20, (200, connection.positions), generator=generator)
    else:
        x = torch.randn(200, 400, generator=generator)
    assert connection(x).square().mean().item() == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("shape", [(6,), (3, 2)])
def test_its_gradient_is_that_of_autograd_and_adds_up(name, shape, generator):
    connection = MAKERS[name](generator).double()
    x = torch.randn(*shape, connection.source_units, generator=generator, dtype=torch.float64)
    delta = torch.randn(*shape, connection.units, generator=generator, dtype=torch.float64)
    for _ in range(2):
        connection.add_weight_grad(x.view(6, -1), delta.view(6, -1))
    local = connection.weight.grad
    connection.weight.grad = None
    connection.requires_grad_()
    sent = connection(x)
    assert sent.shape == (*shape, connection.units)
    (sent * delta).sum().backward()
    expected = 2 * connection.weight.grad
    if isinstance(connection, Masked):  # autograd knows no mask
        expected *= connection.mask
    torch.testing.assert_close(local, expected)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("padding", [0, 1])
def test_a_convolution_is_a_loop_over_places(stride, padding, generator):
    convolution = Convolution((2, 5, 4), 3, 3, generator, stride, padding).double()
    x = torch.randn(6, 2, 5, 4, generator=generator, dtype=torch.float64)
    padded = torch.zeros(6, 2, 5 + 2 * padding, 4 + 2 * padding, dtype=torch.float64)
    padded[:, :, padding : padding + 5, padding : padding + 4] = x
    tops, lefts = range(0, 3 + 2 * padding, stride), range(0, 2 + 2 * padding, stride)
    assert convolution.map == (3, len(tops), len(lefts))
    expected = torch.zeros(6, *convolution.map, dtype=torch.float64)
    for down, top in enumerate(tops):
        for right, left in enumerate(lefts):
            patch = padded[:, :, top : top + 3, left : left + 3]
            expected[:, :, down, right] = torch.einsum("ncij,ocij->no", patch, convolution.weight)
    rows, expected = by_place(x), by_place(expected)
    torch.testing.assert_close(convolution(rows), expected)
    torch.testing.assert_close(convolution(rows.view(3, 2, -1)), expected.view(3, 2, -1))


def by_place(maps):
    """Rows of units, ordered place by place, of maps `(n, channels, height, width)`."""
    return rearrange(maps, "n c y x -> n (y x c)")


@pytest.mark.parametrize("rows", [2, 5])
@pytest.mark.parametrize("side", [4, 5])
def test_a_pooled_convolution_sends_the_largest_of_every_square(side, rows, generator):
    pooled = Convolution((2, side, 6), 3, 3, generator, padding=1, pool=2).double()
    pooled.rows = rows  # at once, of five
    plain = Convolution((2, side, 6), 3, 3, generator, padding=1).double()
    plain.load_state_dict(pooled.state_dict())
    assert pooled.map == (3, 2, 3)  # what is left over at the end is left out
    x = torch.randn(5, 2 * side * 6, generator=generator, dtype=torch.float64)
    maps = rearrange(plain(x), "n (y x c) -> n y x c", y=side, x=6)[:, :4]
    expected = reduce(maps, "n (y down) (x right) c -> n (y x c)", "max", down=2, right=2)
    torch.testing.assert_close(pooled(x), expected)
    with pytest.raises(ValueError, match="pool: expected at most 2, found 3"):
        Convolution((1, 4, 4), 2, 3, generator, pool=3)


@pytest.mark.parametrize("side", [6, 190])
def test_a_batch_in_parts_learns_what_it_learns_at_once(side, generator):
    """Of a large map, too, whose places need more than 16 bits."""
    x = torch.randn(5, side * side, generator=generator, dtype=torch.float64)
    delta = torch.randn(5, 2 * (side // 2) ** 2, generator=generator, dtype=torch.float64)
    found = []
    for rows in (5, 2):
        convolution = Convolution((1, side, side), 2, 3, generator.manual_seed(7), padding=1, pool=2).double()
        convolution.rows = rows
        convolution(x)
        assert len(convolution.largest) == -(-5 // rows)
        convolution.add_weight_grad(x, delta)
        found.append(convolution.weight.grad)
    torch.testing.assert_close(*found)


def test_a_part_has_as_many_rows_as_its_numbers_allow(generator):
    assert Convolution((3, 32, 32), 96, 3, generator, padding=1, pool=2).rows == 10**7 // (96 * 32**2)
    assert Convolution((192, 8, 8), 384, 3, generator, padding=1).rows == 10**7 // (9 * 192 * 8**2)


def test_a_channel_has_one_bias_for_all_places(generator):
    layer = Layer({"0": Convolution((2, 5, 4), 3, 3, generator)})
    layer.bias.copy_(torch.tensor([1.0, 2.0, 3.0]))
    assert layer(torch.zeros(1, 40)).view(6, 3).tolist() == [[1.0, 2.0, 3.0]] * 6
    layer.add_bias_grad(torch.arange(18.0).repeat(2, 1))
    assert layer.bias.grad.tolist() == [2 * 45, 2 * 51, 2 * 57]


def test_a_kernel_that_is_larger_than_its_map_is_refused(generator):
    with pytest.raises(ValueError, match="kernel: expected at most 4, found 5"):
        Convolution((1, 4, 4), 2, 5, generator)
    assert Convolution((1, 4, 4), 2, 5, generator, padding=1).map == (2, 2, 2)


@pytest.mark.parametrize("positions", [1, 3])
@pytest.mark.parametrize("missing", [0, 1])
@pytest.mark.parametrize("shape", [(6,), (3, 2)])
@pytest.mark.parametrize("fading", [1.0, 0.5])
def test_codes_are_one_of_n_vectors_of_unit_mean_square(positions, missing, shape, fading, generator):
    codes = Codes(5, 4, generator, positions, fading=fading).double()
    x = torch.randint(5, (*shape, positions), generator=generator)
    size = torch.tensor([0.25, 0.5, 1.0][-positions:] if fading < 1 else [1.0] * positions).double()
    written = one_hot(x, 5).double() * (size * (5 / size.square().mean()).sqrt())[:, None]
    torch.testing.assert_close(written.square().mean((-1, -2)), torch.ones(shape, dtype=torch.float64))
    if missing:  # an equal share of every symbol
        written[..., -1, :] = written[..., -1, :].sum(-1, keepdim=True) / 5
        x = x[..., :-1]
    if positions == missing:
        torch.testing.assert_close(codes.neutral(), (written.flatten(-2) @ codes.weight).flatten(0, -2)[0])
        return
    torch.testing.assert_close(codes(x), written.flatten(-2) @ codes.weight)
    rows = x.flatten(0, -2)
    torch.testing.assert_close(codes.dense(rows), written.flatten(0, -3).flatten(1))
    delta = torch.randn(6, 4, generator=generator, dtype=torch.float64)
    codes.add_weight_grad(rows, delta)
    expected = written.flatten(0, -3).flatten(1).T @ delta
    torch.testing.assert_close(codes.weight.grad, expected)
    codes.add_weight_grad(codes.dense(rows), delta)  # rows may be written out already
    torch.testing.assert_close(codes.weight.grad, 2 * expected)


def test_neutral_codes_are_the_mean_of_all(generator):
    codes = Codes(5, 4, generator, 2)
    every = torch.cartesian_prod(torch.arange(5), torch.arange(5))
    torch.testing.assert_close(codes.neutral(), codes(every).mean(0))


@pytest.mark.parametrize("name", MAKERS)
def test_one_seed_draws_the_same_weights(name):
    one, same, other = (MAKERS[name](torch.Generator().manual_seed(seed)).weight for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert not one.requires_grad
