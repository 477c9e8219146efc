"""What is waited for when work runs beside a message."""

from hypothesis import given
from hypothesis import strategies as st
from netmodel.training.overlap import exposed, launch_wait, sharded

TIME = st.floats(0, 1e3)
SHARE = st.floats(0, 1)


@given(message=TIME, share=SHARE, beside=TIME)
def test_never_more_than_the_message_and_never_less_than_its_share(message, share, beside):
    wait = exposed(message, share, beside)
    assert share * message <= wait <= message


@given(message=TIME, slowing=TIME, work=TIME)
def test_a_gathered_layer_takes_the_longer_and_at_most_the_slowing_more(message, slowing, work):
    total = work + sharded(message, slowing, work)
    longer = max(message, work)
    assert longer * (1 - 1e-12) <= total <= (longer + slowing) * (1 + 1e-12)


@given(message=st.floats(1e-9, 1e3), slowing=TIME, work=st.floats(1, 1e3), times=st.floats(1, 100))
def test_a_slower_network_behind_the_same_bytes_adds_no_more_than_its_own_time(
    message, slowing, work, times
):
    """Kernels lose by the bytes that pass: hidden as before, a longer message costs nothing."""
    longer = message * times
    more = sharded(longer, slowing, work) - sharded(message, slowing, work)
    assert more <= max(longer - max(message, work), 0) + 1e-9
    if 0 < longer <= work:
        assert abs(more) <= 1e-9 * slowing


@given(gpu=st.floats(1e-6, 1), host=st.floats(0, 1))
def test_the_slower_of_gpu_and_host_decides(gpu, host):
    total = gpu + launch_wait(gpu, host)
    longer = max(gpu, host)
    assert longer * (1 - 1e-9) <= total <= 1.0906 * longer
