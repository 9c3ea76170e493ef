"""Export the EEViT thesis' model with its own code, random weights and published configuration.

    PYTHON export_peer.py CHECKOUT OUT.onnx

Runs in a Python of the peer's (see `benchmarks/beside_eevit.py`) and needs nothing of this project.
Its script onnx_model_export.py runs the model in training mode before it exports, which torch's
`cond` has since come to refuse; so this calls the functions that it calls, without that run.
"""

import sys

import torch

checkout, out = sys.argv[1:]
sys.path.insert(0, checkout)

from utils.arg_utils import get_config_dict, parse_config_dict  # noqa: E402
from utils.model_utils import get_model  # noqa: E402
from utils.onnx_utils import export_model  # noqa: E402

config = get_config_dict(f'{checkout}/config/run_args.yaml')
config['model']['enable_export'] = True  # as its export script demands
sizes = config['dataset']
torch.manual_seed(0)
model = get_model(parse_config_dict(config['model']), verbose=False)
image = torch.randn(1, sizes['channels_num'], sizes['image_size'], sizes['image_size'])
export_model(model, image).save(out)
