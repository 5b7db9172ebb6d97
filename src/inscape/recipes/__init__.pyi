"""Made by `make stubs`: what loads on first use, for editors and type checkers."""

from inscape.recipes.denoisers import denoiser as denoiser
from inscape.recipes.digit_classifiers import classifier as classifier
from inscape.recipes.digit_classifiers import noisy_classifier as noisy_classifier
from inscape.recipes.digit_classifiers import trained as trained
from inscape.recipes.document_finders import document_finder as document_finder
from inscape.recipes.scene_namers import namer as namer
from inscape.recipes.scene_namers import plain_namer as plain_namer
from inscape.recipes.scene_namers import scene_batch as scene_batch
from inscape.recipes.shape_namers import shape_namer as shape_namer
from inscape.recipes.speech_encoders import Heard as Heard
from inscape.recipes.speech_encoders import contrastive as contrastive
from inscape.recipes.speech_encoders import encoders as encoders
from inscape.recipes.speech_encoders import heard as heard
from inscape.recipes.speech_encoders import hidden_frames_found as hidden_frames_found
from inscape.recipes.speech_encoders import tuned_to_phones as tuned_to_phones
from inscape.recipes.trained_kinds import trained_kinds as trained_kinds
from inscape.recipes.two_sides import Sides as Sides
from inscape.recipes.two_sides import Weights as Weights
from inscape.recipes.two_sides import pooling_weights as pooling_weights
from inscape.recipes.two_sides import side_arms as side_arms
from inscape.recipes.two_sides import sides_correlation as sides_correlation
from inscape.recipes.two_sides import sides_loss as sides_loss
from inscape.recipes.two_sides import sides_named as sides_named
from inscape.recipes.view_encoders import agreeing as agreeing
from inscape.recipes.view_encoders import digit_views as digit_views
from inscape.recipes.view_encoders import self_predicting as self_predicting
