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


@given(message=TIME, share=SHARE, work=TIME)
def test_a_gathered_layer_takes_at_least_the_longer_and_at_most_both(message, share, work):
    total = work + sharded(message, share, work)
    assert max(message, work) * (1 - 1e-12) <= total <= (message + work) * (1 + 1e-12)


@given(gpu=st.floats(1e-6, 1), host=st.floats(0, 1))
def test_the_slower_of_gpu_and_host_decides(gpu, host):
    total = gpu + launch_wait(gpu, host)
    longer = max(gpu, host)
    assert longer * (1 - 1e-9) <= total <= 1.0906 * longer
