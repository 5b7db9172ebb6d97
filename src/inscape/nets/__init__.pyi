"""Made by `make stubs`: what loads on first use, for editors and type checkers."""

from inscape.nets.autoencoder import Autoencoder as Autoencoder
from inscape.nets.dense_embedding import DenseEmbedding as DenseEmbedding
from inscape.nets.efficientnet_lite import EfficientNetLite0 as EfficientNetLite0
from inscape.nets.efficientnet_lite import SamePadded as SamePadded
from inscape.nets.encoder import Encoder as Encoder
from inscape.nets.encoder import Mixing as Mixing
from inscape.nets.encoder import softmax_attention as softmax_attention
from inscape.nets.frame_encoder import FrameEncoder as FrameEncoder
from inscape.nets.image_text import ImageText as ImageText
from inscape.nets.joint_embedding import JointEmbedding as JointEmbedding
from inscape.nets.joint_embedding import picture_encoder as picture_encoder
from inscape.nets.joint_embedding import projector as projector
from inscape.nets.multi_vector import MultiVector as MultiVector
from inscape.nets.next_word import NextWord as NextWord
from inscape.nets.plain_cnn import PlainCNN as PlainCNN
from inscape.nets.relu_attention import relu_attention as relu_attention
from inscape.nets.small_resnet import SmallResnet as SmallResnet
from inscape.nets.small_vit import SmallVit as SmallVit
from inscape.nets.small_vit import attention_distance as attention_distance
from inscape.nets.small_vit import receptive_field as receptive_field
from inscape.nets.taylor_shift import TaylorShift as TaylorShift
from inscape.nets.taylor_shift import switch_length as switch_length
from inscape.nets.taylor_shift import taylor_attention as taylor_attention
from inscape.nets.two_encoders import PooledEncoder as PooledEncoder
from inscape.nets.two_encoders import TwoEncoders as TwoEncoders
