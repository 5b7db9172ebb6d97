"""Made by `make stubs`: what loads on first use, for editors and type checkers."""

from inscape.fields.checked_folding import CheckedFolding as CheckedFolding
from inscape.fields.cppn import Cppn as Cppn
from inscape.fields.cppn import coordinates as coordinates
from inscape.fields.cppn import permuted as permuted
from inscape.fields.cppn import symmetric_picture as symmetric_picture
from inscape.fields.field import Field as Field
from inscape.fields.field import he_linear as he_linear
from inscape.fields.fourier_linear import FourierLinear as FourierLinear
from inscape.fields.fourier_linear import folded as folded
from inscape.fields.fourier_linear import fourier_basis as fourier_basis
from inscape.fields.frequency_error import frequency_error as frequency_error
from inscape.fields.psnr import psnr as psnr
from inscape.fields.weight_effects import odd_share as odd_share
from inscape.fields.weight_effects import weight_effects as weight_effects
