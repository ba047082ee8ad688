"""One Python tool that does limbic's work: answers each line (open, extraction, generation) with a line of JSON."""

import json
import os
import sys
import time

import numpy as np


class Workload:
    """What is to be done, the same for all tools."""

    def __init__(self, path):
        with open(path) as file:
            spec = json.load(file)
        self.folder, self.file = os.path.split(spec["gguf"])
        self.model_name = spec["modelName"]
        self.texts = spec["texts"]
        self.prompt = spec["prompt"]
        self.start = spec["start"]
        self.layers = spec["layers"]
        self.read_layer = spec["readLayer"]
        self.threads = spec["threads"]
        self.reply_tokens = spec["replyTokens"]
        width = spec["width"]
        self.directions = np.fromfile(spec["directions"], dtype=np.float32).reshape(-1, width)
        self.steering = {
            one["layer"]: np.fromfile(one["file"], dtype=np.float32) for one in spec["steering"]
        }
        self.tokens = sum(len(text) for text in self.texts)

    def batches(self, size):
        """Texts of like length together, padded on the right: indices, ids and mask."""
        order = sorted(range(len(self.texts)), key=lambda k: -len(self.texts[k]))
        for at in range(0, len(order), size):
            part = order[at : at + size]
            longest = max(len(self.texts[k]) for k in part)
            ids = np.zeros((len(part), longest), dtype=np.int64)
            mask = np.zeros((len(part), longest), dtype=np.int64)
            for row, k in enumerate(part):
                ids[row, : len(self.texts[k])] = self.texts[k]
                mask[row, : len(self.texts[k])] = 1
            yield part, ids, mask


class EndOfPass(Exception):
    """Raised in a hook after the last layer that is wanted: what comes later is not computed."""


class Transformers:
    """transformers with forward hooks, and as much care as its user could take."""

    does = {
        "extraction": "means of all layers up to two thirds, ended there by an exception",
        "generation": "171 readings and steering by hooks",
    }
    sizes = (1, 4, 8, 16, 32)

    def __init__(self, work):
        import torch
        from transformers import AutoModelForCausalLM

        self.work = work
        self.torch = torch
        torch.set_num_threads(work.threads)
        torch.set_grad_enabled(False)
        self.open = lambda dtype: AutoModelForCausalLM.from_pretrained(
            work.folder, gguf_file=work.file, dtype=getattr(torch, dtype)
        ).eval()
        self.settings = {}

    def use(self, dtype, model):
        torch = self.torch
        self.dtype, self.model = getattr(torch, dtype), model
        self.steps = {
            layer: torch.from_numpy(v).to(self.dtype) for layer, v in self.work.steering.items()
        }
        self.directions = torch.from_numpy(self.work.directions)

    @property
    def blocks(self):
        return self.model.model.layers

    def tune(self):
        """The fastest number format and number of texts side by side for each work, by trying them all."""
        tried = {"extraction": {}, "generation": {}}
        models = {}
        for dtype in ("float32", "bfloat16"):
            models[dtype] = self.open(dtype)
            self.use(dtype, models[dtype])
            for size in self.sizes:
                self.size = size
                tried["extraction"][dtype, size] = self.speed(self.extraction, self.work.tokens)
            tried["generation"][dtype, 1] = self.speed(self.generation, self.work.reply_tokens)
        for work, speeds in tried.items():
            dtype, size = max(speeds, key=speeds.get)
            best = {
                name: round(max(speed for (own, _), speed in speeds.items() if own == name), 1)
                for name in models
            }
            self.settings[work] = {"dtype": dtype, "batch": size, "tried": best}
        self.models = models

    def speed(self, work, tokens):
        began = time.perf_counter()
        work()
        return tokens / (time.perf_counter() - began)

    def prepare(self, work):
        """Takes the settings that were fastest for this work."""
        dtype, self.size = self.settings[work]["dtype"], self.settings[work]["batch"]
        self.use(dtype, self.models[dtype])

    def hooked(self, layer, take):
        def hook(_module, _inputs, output):
            hidden = output[0] if isinstance(output, tuple) else output
            take(hidden)
            return output

        return self.blocks[layer].register_forward_hook(hook)

    def extraction(self):
        """[texts, layers, width]: mean residuals from the start position on."""
        torch, work = self.torch, self.work
        means = torch.zeros(len(work.texts), len(work.layers), work.directions.shape[1])
        state = {}

        def pool(slot):
            def take(hidden):
                weights = state["weights"]
                means[state["part"], slot] = torch.einsum("btw,bt->bw", hidden.float(), weights)
                if slot == len(work.layers) - 1:
                    raise EndOfPass

            return take

        handles = [self.hooked(layer, pool(slot)) for slot, layer in enumerate(work.layers)]
        try:
            for part, ids, mask in work.batches(self.size):
                weights = torch.from_numpy(mask).float()
                weights[:, : work.start] = 0
                state.update(part=part, weights=weights / weights.sum(1, keepdim=True))
                try:
                    self.model.model(
                        input_ids=torch.from_numpy(ids), attention_mask=torch.from_numpy(mask)
                    )
                except EndOfPass:
                    pass
        finally:
            for handle in handles:
                handle.remove()
        return means

    def steer(self):
        """Adds the vectors after their blocks; returns what takes them away."""

        def adding(step):
            def hook(_module, _inputs, output):
                if isinstance(output, tuple):
                    return (output[0] + step, *output[1:])
                return output + step

            return hook

        handles = [
            self.blocks[layer].register_forward_hook(adding(step))
            for layer, step in self.steps.items()
        ]
        return lambda: [handle.remove() for handle in handles]

    def generation(self):
        """Token ids of a greedy reply under steering, read at every token."""
        readings = []
        handle = self.hooked(
            self.work.read_layer,
            lambda hidden: readings.append(hidden[0].float() @ self.directions.T),
        )
        try:
            return self.write(readings.pop)
        finally:
            handle.remove()

    def write(self, reading):
        """Greedy tokens under steering; takes the reading of each as soon as it is there."""
        torch, work = self.torch, self.work
        unsteer = self.steer()
        tokens, ids, past = [], torch.tensor([work.prompt]), None
        try:
            for _ in range(work.reply_tokens):
                out = self.model(input_ids=ids, past_key_values=past, use_cache=True)
                past = out.past_key_values
                assert reading().shape[-1] == len(work.directions)
                tokens.append(int(out.logits[0, -1].argmax()))
                ids = torch.tensor([[tokens[-1]]])
        finally:
            unsteer()
        return tokens


class Repeng(Transformers):
    """repeng: its own collection of hidden states, its ControlModel for steering."""

    does = {
        "extraction": "its batched_get_hiddens: the last token of each text only, of a whole pass",
        "generation": "steering by its ControlModel; it has no readings, so they are a hook of ours",
    }

    def extraction(self):
        from repeng.extract import batched_get_hiddens
        from transformers import BatchEncoding

        torch, work = self.torch, self.work
        batches = {part[0]: (part, ids, mask) for part, ids, mask in work.batches(self.size)}
        order = [k for part, _ids, _mask in batches.values() for k in part]

        def tokenizer(texts, **_options):
            _part, ids, mask = batches[texts[0]]
            return BatchEncoding(
                {"input_ids": torch.from_numpy(ids), "attention_mask": torch.from_numpy(mask)}
            )

        batched_get_hiddens(self.model, tokenizer, order, work.layers, self.size)

    def steer(self):
        from repeng import ControlModel

        control = ControlModel(self.model, list(self.steps))
        control.set_raw_control(self.steps)

        def remove():
            control.reset()
            control.unwrap()

        return remove


class SteeringVectors(Transformers):
    """steering-vectors: its record_activations and its SteeringVector."""

    does = {
        "extraction": "its record_activations of all layers up to two thirds, means by us, whole pass",
        "generation": "steering by its SteeringVector, readings by its record_activations",
    }

    def extraction(self):
        from steering_vectors import record_activations

        torch, work = self.torch, self.work
        means = torch.zeros(len(work.texts), len(work.layers), work.directions.shape[1])
        for part, ids, mask in work.batches(self.size):
            weights = torch.from_numpy(mask).float()
            weights[:, : work.start] = 0
            weights /= weights.sum(1, keepdim=True)
            with record_activations(self.model, layer_nums=work.layers) as recorded:
                self.model.model(
                    input_ids=torch.from_numpy(ids), attention_mask=torch.from_numpy(mask)
                )
            for slot, layer in enumerate(work.layers):
                hidden = recorded[layer][0].float()
                means[part, slot] = torch.einsum("btw,bt->bw", hidden, weights)
        return means

    def steer(self):
        from steering_vectors import SteeringVector

        return SteeringVector(self.steps).patch_activations(self.model).remove

    def generation(self):
        from steering_vectors import record_activations

        work = self.work
        with record_activations(self.model, layer_nums=[work.read_layer]) as recorded:
            tokens = self.write(
                lambda: (recorded[work.read_layer].pop()[0].float() @ self.directions.T)
            )
        return tokens


class TransformerLens(Transformers):
    """TransformerLens: its bridge around the model of transformers, its cache and its hooks."""

    does = {
        "extraction": "its run_with_cache of all layers up to two thirds, stopped there, means by us",
        "generation": "its generate, with steering and readings by its hooks",
    }

    def use(self, dtype, model):
        super().use(dtype, model)
        if not hasattr(self, "bridges"):
            self.bridges = {}
        if dtype not in self.bridges:
            from transformer_lens.model_bridge import TransformerBridge
            from transformers import AutoTokenizer

            tokenizer = AutoTokenizer.from_pretrained(self.work.folder, gguf_file=self.work.file)
            self.bridges[dtype] = TransformerBridge.boot_transformers(
                self.work.model_name,
                hf_model=model,
                tokenizer=tokenizer,
                dtype=self.dtype,
                device="cpu",
            )
        self.bridge = self.bridges[dtype]

    @staticmethod
    def after(layer):
        return f"blocks.{layer}.hook_out"

    def extraction(self):
        torch, work = self.torch, self.work
        means = torch.zeros(len(work.texts), len(work.layers), work.directions.shape[1])
        names = [self.after(layer) for layer in work.layers]
        for part, ids, mask in work.batches(self.size):
            weights = torch.from_numpy(mask).float()
            weights[:, : work.start] = 0
            weights /= weights.sum(1, keepdim=True)
            _logits, cache = self.bridge.run_with_cache(
                torch.from_numpy(ids),
                attention_mask=torch.from_numpy(mask),
                names_filter=names,
                stop_at_layer=work.layers[-1] + 1,
            )
            for slot, name in enumerate(names):
                means[part, slot] = torch.einsum("btw,bt->bw", cache[name].float(), weights)
        return means

    def generation(self):
        torch, work = self.torch, self.work
        readings = []

        def adding(step):
            return lambda hidden, hook: hidden + step

        def read(hidden, hook):
            readings.append(hidden[0].float() @ self.directions.T)
            return hidden

        hooks = [(self.after(layer), adding(step)) for layer, step in self.steps.items()]
        hooks.append((self.after(work.read_layer), read))
        ids = torch.tensor([work.prompt])
        with self.bridge.hooks(fwd_hooks=hooks):
            out = self.bridge.generate(
                ids,
                max_new_tokens=work.reply_tokens,
                do_sample=False,
                stop_at_eos=False,
                verbose=False,
                return_type="tokens",
            )
        assert len(readings) == work.reply_tokens
        return out[0, len(work.prompt) :].tolist()


class Saklas(Transformers):
    """saklas: the parts of its sessions that capture, steer and read, on the same model of transformers."""

    does = {
        "extraction": "its capture of all layers up to two thirds, stopped there; the last token of each text only",
        "generation": "its hooks for offsets and its capture at each token; the 171 products are ours",
    }

    def extraction(self):
        from saklas.core.capture import _capture_all_hidden_states

        torch, work = self.torch, self.work
        for _part, ids, mask in work.batches(self.size):
            _capture_all_hidden_states(
                self.model,
                self.blocks,
                torch.from_numpy(ids),
                attention_mask=torch.from_numpy(mask),
                pool_index=torch.from_numpy(mask.sum(1) - 1),
                layer_indices=work.layers,
            )

    def steer(self):
        from saklas.core.hooks import install_persistent_offset_hooks

        width = self.directions.shape[1]
        offsets, handles = install_persistent_offset_hooks(self.blocks, width, "cpu", self.dtype)
        for layer, step in self.steps.items():
            offsets[layer].copy_(step)
        return lambda: [handle.remove() for handle in handles]

    def generation(self):
        from saklas.core.hooks import HiddenCapture

        layer, capture = self.work.read_layer, HiddenCapture()
        capture.attach(self.blocks, [layer])
        try:
            return self.write(
                lambda: capture.latest_per_layer()[layer].float() @ self.directions.T
            )
        finally:
            capture.detach()


class LlamaCppPython:
    """llama-cpp-python: no residual streams, so only the passes themselves are timed."""

    does = {
        "extraction": "cannot read residual streams: the bare pass, one text after the other",
        "generation": "cannot read; no steering by its interface: the bare greedy reply",
    }

    def __init__(self, work):
        from llama_cpp import Llama

        self.work = work
        self.settings = {"batch": 512, "threads": work.threads}
        self.llama = Llama(
            os.path.join(work.folder, work.file),
            n_ctx=1024,
            n_batch=512,
            n_threads=work.threads,
            n_threads_batch=work.threads,
            verbose=False,
        )

    def tune(self):
        self.extraction()

    def prepare(self, work):
        pass

    def extraction(self):
        for text in self.work.texts:
            self.llama.reset()
            self.llama.eval(text[:1023])

    def generation(self):
        self.llama.reset()
        tokens = []
        for token in self.llama.generate(self.work.prompt, temp=0.0, repeat_penalty=1.0):
            tokens.append(token)
            if len(tokens) == self.work.reply_tokens:
                return tokens


TOOLS = {
    "transformers": Transformers,
    "repeng": Repeng,
    "steering-vectors": SteeringVectors,
    "transformer-lens": TransformerLens,
    "saklas": Saklas,
    "llama-cpp-python": LlamaCppPython,
}


def answer(tool, command):
    tool.prepare(command)
    began = time.perf_counter()
    if command == "extraction":
        value = tool.extraction()
        seconds = time.perf_counter() - began
        first = value[0].flatten().tolist() if value is not None else None
        return {"tokensPerSecond": tool.work.tokens / seconds, "firstText": first}
    value = tool.generation()
    seconds = time.perf_counter() - began
    return {"tokensPerSecond": len(value) / seconds, "tokens": value}


def main():
    # What a tool prints must not stand between the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    tool = None
    for line in sys.stdin:
        command = line.strip()
        try:
            if command == "open":
                tool = TOOLS[sys.argv[1]](Workload(sys.argv[2]))
                tool.tune()
                reply = {"settings": tool.settings, "does": tool.does}
            else:
                reply = answer(tool, command)
        except Exception as error:  # each tool fails in its own way; the reason is the result
            reply = {"error": f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"}
        print(json.dumps(reply), file=answers, flush=True)


main()
