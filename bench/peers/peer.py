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
            self.settings[work] = {"dtype": dtype, "batch": size}
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
        torch, work = self.torch, self.work
        readings = []
        unsteer = self.steer()
        handle = self.hooked(
            work.read_layer, lambda hidden: readings.append(hidden[0].float() @ self.directions.T)
        )
        tokens, ids, past = [], torch.tensor([work.prompt]), None
        try:
            for _ in range(work.reply_tokens):
                out = self.model(input_ids=ids, past_key_values=past, use_cache=True)
                past = out.past_key_values
                tokens.append(int(out.logits[0, -1].argmax()))
                ids = torch.tensor([[tokens[-1]]])
        finally:
            handle.remove()
            unsteer()
        assert len(readings) == work.reply_tokens
        return tokens


TOOLS = {"transformers": Transformers}


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
