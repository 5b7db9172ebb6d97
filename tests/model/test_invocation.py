"""Adapters that wait for tokens act from their last occurrence on, row by row, in every kind of
pass.
"""

from __future__ import annotations

import copy
import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import transformers as t
from tokenizers import Tokenizer, models, pre_tokenizers
from torch import nn

from inscape.control.adapter_files import CONFIG, load_adapters, save_adapters
from inscape.control.low_rank_adapter import LowRankAdapters, attached, merged
from inscape.core.edit import Add, Scope
from inscape.core.errors import ModelError
from inscape.core.site import Site
from inscape.model import prefix
from inscape.model.connected import connected, prefix_cache
from inscape.model.continuations import continuations
from inscape.model.hooks import Pass
from inscape.model.invocation import Fed, invocation, starts
from inscape.model.model import Model
from inscape.model.open import open
from inscape.store.harvest import harvest
from tests.model.nets import net

WAITS = (9, 10)
ROWS = [[5, 9, 10, 6, 9, 10, 7, 8], [5, 9, 10, 6], [5, 6, 7], [9, 10], [6, 9], [4, 9, 10, 9, 10]]


def tokenizer():
    """A word for every id: ``w5`` is 5."""
    inner = Tokenizer(models.WordLevel({f"w{i}": i for i in range(120)}, unk_token="w3"))
    inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return t.PreTrainedTokenizerFast(tokenizer_object=inner, pad_token="w0", unk_token="w3")


class Adapted(nn.Module):
    """A linear layer with an adapter, told where it acts as PEFT's are."""

    def __init__(self, base):
        super().__init__()
        self.base_layer, self.active_adapters = base, ["default"]
        self.lora_A = nn.ModuleDict({"default": nn.Linear(base.in_features, 2, bias=False)})
        self.lora_B = nn.ModuleDict({"default": nn.Linear(2, base.out_features, bias=False)})
        nn.init.normal_(self.lora_B["default"].weight)

    def forward(self, x, alora_offsets=None):
        left = torch.tensor([n or 0 for n in alora_offsets or [0] * len(x)])
        acts = torch.arange(x.shape[1])[None] >= x.shape[1] - left[:, None]
        update = self.lora_B["default"](self.lora_A["default"](x))
        return self.base_layer(x) + acts[..., None] * update


def waiting(tokens=WAITS, base=None):
    """A network with such layers, and the configuration by which PEFT marks it."""
    network = copy.deepcopy(base) if base is not None else net("llama")
    torch.manual_seed(1)
    for block in network.model.layers:
        block.self_attn.q_proj = Adapted(block.self_attn.q_proj)
        block.mlp.down_proj = Adapted(block.mlp.down_proj)
    network.peft_config = {"default": SimpleNamespace(alora_invocation_tokens=list(tokens))}
    return network.eval()


def truth(ids):
    """hidden_states of one example, its adapters told by hand."""
    network = waiting()
    found = [i for i in range(len(ids) - 1) if tuple(ids[i : i + 2]) == WAITS]
    left = len(ids) - found[-1] if found else None
    for module in network.modules():
        if isinstance(module, Adapted):
            module.register_forward_pre_hook(
                lambda _m, args, kwargs: (args, {**kwargs, "alora_offsets": [left]}),
                with_kwargs=True,
            )
    with torch.no_grad():
        out = network(torch.tensor([ids]), output_hidden_states=True)
    return out.hidden_states, out.logits


def test_the_last_occurrence_counts_and_padding_does_not():
    ids = torch.tensor([[9, 10, 9, 10], [9, 10, 3, 9], [3, 9, 9, 10], [9, 3, 10, 3]])
    never = 2**62
    assert starts(ids, None, WAITS).tolist() == [2, 0, 2, never]
    assert starts(ids, torch.tensor([3, 4, 3, 4]), WAITS).tolist() == [0, 0, never, never]
    assert starts(ids[:, :1], None, WAITS).tolist() == [never] * 4


def test_every_row_of_a_batch_is_what_it_is_alone():
    model = open(waiting())
    assert model.certificate.passed, str(model.certificate)
    found = model.run(ROWS, "resid_post.1", logits=True)
    plain = Model(net("llama")).run(ROWS, "resid_post.1")["resid_post.1"]
    for i, row in enumerate(ROWS):
        states, logits = truth(row)
        got = found["resid_post.1"][i, : len(row)]
        torch.testing.assert_close(got, states[2][0], atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(found.logits[i, : len(row)], logits[0], atol=1e-4, rtol=1e-4)
        # it does act, and not before its tokens
        moved = (got - plain[i, : len(row)]).norm(dim=-1) > 1e-3
        at = int(starts(torch.tensor([row]), None, WAITS)[0])
        assert moved.tolist() == [t >= at for t in range(len(row))]
    last = model.run(
        ROWS, "resid_post.1", at=torch.tensor([[len(r) - 1] for r in ROWS]), logits=True
    )
    for i, row in enumerate(ROWS):
        torch.testing.assert_close(last.logits[i, 0], truth(row)[1][0, -1], atol=1e-4, rtol=1e-4)


def test_a_harvest_shares_no_prefix_and_gives_the_truth():
    model = open(waiting())
    assert "invocation tokens" in prefix.applies(model, longest=0)
    start = np.random.default_rng(0).integers(11, 100, size=60).tolist()
    rows = [[*start[:30], *WAITS, *start[30:], *tail] for tail in ([3], [3, *WAITS], [*WAITS, 4])]
    store = harvest(model, rows * 2, "resid_post.1", at="all", progress=False)
    want = torch.cat([truth(row)[0][2][0] for row in rows * 2])
    torch.testing.assert_close(
        torch.from_numpy(store.matrix("resid_post.1")), want, atol=1e-5, rtol=1e-4
    )


def test_generated_tokens_are_computed_with_the_adapter_of_their_prompt():
    model = open(waiting(), tokenizer=tokenizer())
    tokens = [[5, 9, 10, 11], [9, 11, 10], [12, 13]]
    prompts = [model.tokenizer.decode(row) for row in tokens]

    def greedy(ids, count):
        """One token after another, the invocation looked for in the prompt alone."""
        at = int(starts(torch.tensor([ids]), None, WAITS)[0])
        network, whole = waiting(), list(ids)
        for module in network.modules():
            if isinstance(module, Adapted):
                module.register_forward_pre_hook(
                    lambda _m, args, kwargs: (
                        args,
                        {**kwargs, "alora_offsets": [max(0, args[0].shape[1] - at)]},
                    ),
                    with_kwargs=True,
                )
        for _ in range(count):
            with torch.no_grad():
                whole.append(int(network(torch.tensor([whole])).logits[0, -1].argmax()))
        return whole[len(ids) :]

    want = [model.tokenizer.decode(greedy(row, 6), skip_special_tokens=True) for row in tokens]
    assert model.generate(prompts, 6) == want
    plain = Model(net("llama"), tokenizer()).generate(prompts, 6)
    assert plain[0] != want[0]
    made = continuations(model, prompts, 6, samples=2, temperature=1e-6)
    assert [c.text for pair in made for c in pair] == [w for w in want for _ in range(2)]
    nothing = Add(Scope("resid_post.1", positions="last"), torch.zeros(32))
    late = continuations(model, prompts, 6, samples=2, edits=[nothing])
    assert [c.text for pair in late for c in pair] == [w for w in want for _ in range(2)]


def test_derivatives_are_of_what_is_computed():
    model = open(waiting())
    ids = torch.tensor([ROWS[0]])
    found = connected(model, ids, "resid_post.2")[Site("resid_post", 2)]
    torch.testing.assert_close(
        found, model.run(ids, "resid_post.2")["resid_post.2"], atol=1e-5, rtol=1e-4
    )
    with pytest.raises(ModelError, match="no part of a text can be computed ahead"):
        prefix_cache(model, ids)


def test_what_shows_no_tokens_is_refused():
    model = open(waiting())
    with pytest.raises(ModelError, match="embeddings do not show; give token ids"):
        model.run({"inputs_embeds": torch.randn(1, 4, 32)}, "resid_post.1")
    with pytest.raises(ModelError, match="waits for tokens in its blocks.*open it without compile"):
        open(waiting(), compile="eager")
    network = waiting()
    network.model.layers[0].mlp.register_forward_pre_hook(lambda _m, args: (args[0].flatten(0, 1),))
    with pytest.raises(ModelError, match=r"sees \(8, 64\) and not \(batch, positions, width\)"):
        Model(network).run([ROWS[0]], "resid_post.1")


def test_which_adapter_acts_is_part_of_what_a_network_is():
    one, two = waiting(), waiting((9, 11))
    assert Model(one).weights_hash == Model(two).weights_hash
    assert Model(one).network_hash != Model(two).network_hash
    two.peft_config["other"] = SimpleNamespace(alora_invocation_tokens=[3])
    assert invocation(two) == (9, 11)
    for module in two.modules():
        if isinstance(module, Adapted):
            module.active_adapters = ["default", "other"]
    with pytest.raises(ModelError, match="default, other wait for other tokens"):
        Model(two).run([ROWS[0]], "resid_post.1")


@pytest.mark.parametrize("name", ["_active_adapter", "_disable_adapters"])
def test_what_peft_notes_on_a_layer_is_part_of_what_a_network_is(name):
    network = net("llama")
    layer = network.model.layers[0].self_attn.q_proj
    layer.__dict__[name] = False
    before = Model(network).network_hash
    layer.__dict__[name] = True
    assert Model(network).network_hash != before


def kept(folder):
    """The adapters of `waiting`, as a folder of PEFT's kind."""
    down, up = {}, {}
    for path, module in waiting().named_modules():
        if isinstance(module, Adapted):
            down[path] = module.lora_A["default"].weight.detach()
            up[path] = module.lora_B["default"].weight.detach()
    adapters = LowRankAdapters(down, up, 2.0, invocation=WAITS)
    return save_adapters(adapters, folder)


def test_adapters_of_a_folder_wait_too(tmp_path):
    folder = kept(tmp_path)
    assert json.loads((folder / CONFIG).read_text())["alora_invocation_tokens"] == list(WAITS)
    adapters = load_adapters(folder)
    assert adapters.invocation == WAITS
    model = open(net("llama"), tokenizer=tokenizer())
    with attached(model, adapters):
        found = model.run(ROWS, "resid_post.1")["resid_post.1"]
        said = model.generate(["w5 w9 w10 w11"], 6)
        with pytest.raises(ModelError, match="run the model, not its modules"):
            model.net(torch.tensor([ROWS[0]]))
    for i, row in enumerate(ROWS):
        torch.testing.assert_close(found[i, : len(row)], truth(row)[0][2][0], atol=1e-5, rtol=1e-4)
    assert said == open(waiting(), tokenizer=tokenizer()).generate(["w5 w9 w10 w11"], 6)
    with pytest.raises(ModelError, match=r"act from tokens \[9, 10\] on cannot be merged"):
        merged(model, adapters)


@pytest.mark.reference
@pytest.mark.filterwarnings("ignore")
def test_peft_computes_the_same(tmp_path):
    peft = pytest.importorskip("peft", reason="the reference library peft is not installed")
    config = peft.LoraConfig(
        r=4,
        target_modules=["q_proj", "v_proj", "down_proj", "lm_head"],
        task_type="CAUSAL_LM",
        alora_invocation_tokens=list(WAITS),
        init_lora_weights=False,
    )
    wrapper = peft.get_peft_model(net("llama"), config).eval()
    net("llama").save_pretrained(tmp_path)
    wrapper.save_pretrained(tmp_path)
    alone = tmp_path / "alone"
    wrapper.save_pretrained(alone, save_embedding_layers=False)
    at = torch.tensor([[len(row) - 1] for row in ROWS])
    live, folder, words = open(wrapper), open(tmp_path), tokenizer()
    assert live.certificate.passed, str(live.certificate)
    assert "network inside = PEFT's model" in [item.name for item in live.certificate.items]
    model = open(net("llama"))
    for found in (live.run(ROWS, logits=True), folder.run(ROWS, logits=True)):
        for i, row in enumerate(ROWS):
            with torch.no_grad():
                want = wrapper(torch.tensor([row])).logits[0]
            torch.testing.assert_close(found.logits[i, : len(row)], want, atol=1e-4, rtol=1e-4)
    kept_alone = live.run(ROWS, logits=True, at=at).logits
    with attached(model, load_adapters(alone)):
        added = model.run(ROWS, logits=True).logits
    for i, row in enumerate(ROWS):
        with torch.no_grad():
            want = wrapper(torch.tensor([row])).logits[0]
            made = wrapper.generate(
                input_ids=torch.tensor([row]), max_new_tokens=5, do_sample=False, eos_token_id=None
            )
        torch.testing.assert_close(added[i, : len(row)], want, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(kept_alone[i, 0], want[-1], atol=1e-4, rtol=1e-4)
        opened = open(wrapper, tokenizer=words)
        opened.net.generation_config.eos_token_id = opened.net.config.eos_token_id = None
        ours = continuations(opened, [words.decode(row)], 5)[0][0]
        assert ours.ids.tolist() == made[0, len(row) :].tolist()


def test_a_head_that_sees_the_last_position_alone_knows_where_it_stands():
    state = Pass(2, width=4)
    state.step(4)
    told = Fed(torch.tensor([[5, 9, 10, 6], [5, 6, 7, 8]]), None, state)
    assert told.acts((9, 10), 4).tolist() == [[False, True, True, True], [False] * 4]
    assert told.acts((9, 10), 1).tolist() == [[True], [False]]
    state.step(1)
    assert told.acts((9, 10), 1).tolist() == [[True], [False]]
    assert told.end(1) == 5
