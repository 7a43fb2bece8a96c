"""Differentiable calls of PyTorch for ``test_every_op``, one a word, and the tensors they name."""

import re

import torch
from torch import Tensor
from torch.nn import functional as F

ELEMENTWISE = """
abs acos acosh(1+x) angle arccos arccosh(1+x) arcsin arcsinh arctan arctanh asin asinh atan atanh
ceil clone conj(z) conj_physical(z) cos cosh deg2rad digamma erf erfc erfinv exp exp2 expm1 fix
floor frac i0 lgamma log log10 log1p log2 logit nan_to_num neg negative positive rad2deg real(z)
imag(z) reciprocal relu resolve_conj(z.conj()) round rsqrt rrelu selu celu sgn sigmoid sign sin
sinc sinh sqrt square tan tanh trunc special.digamma special.entr special.erf special.erfc
special.erfcx special.erfinv special.exp2 special.expit special.expm1 special.gammaln special.i0
special.i0e special.i1 special.i1e special.log_ndtr special.log1p special.logit special.ndtr
special.ndtri special.psi special.round special.sinc nn.functional.elu nn.functional.gelu
nn.functional.hardshrink nn.functional.hardsigmoid nn.functional.hardswish nn.functional.hardtanh
nn.functional.leaky_relu nn.functional.logsigmoid nn.functional.mish nn.functional.relu6
nn.functional.silu nn.functional.softplus nn.functional.softshrink nn.functional.softsign
nn.functional.tanhshrink nn.functional.selu nn.functional.celu nn.functional.rrelu
"""
"""Of one tensor, which is x where nothing else is written; all are torch's."""

OF_TWO = """
x+y x-y x*y x/y x**y x%y 2*x 2-x 2/x 2**x x**2 x**0.5 -x +x abs(x) x@y.T x+1 x*2.5 x/3
torch.add(x,y,alpha=2) torch.sub(x,y,alpha=2) torch.rsub(x,y) torch.mul(x,y) torch.div(x,y)
torch.div(x,y,rounding_mode="floor") torch.true_divide(x,y) torch.pow(x,3) torch.pow(2,x)
torch.float_power(x,2) torch.fmod(x,y) torch.remainder(x,y) torch.atan2(x,y) torch.arctan2(x,y)
torch.hypot(x,y) torch.copysign(x,y) torch.logaddexp(x,y) torch.logaddexp2(x,y) torch.maximum(x,y)
torch.minimum(x,y) torch.fmax(x,y) torch.fmin(x,y) torch.max(x,y) torch.min(x,y) torch.xlogy(x,y)
torch.special.xlog1py(x,y) torch.ldexp(x,torch.tensor(2)) torch.lerp(x,y,0.3) torch.lerp(x,y,y)
torch.addcmul(x,y,y,value=0.5) torch.addcdiv(x,y,y,value=0.5) torch.where(x>y,x,y) torch.dist(x,y)
torch.clamp(x,0.3,0.6) torch.clamp(x,min=y) torch.clip(x,max=0.5) torch.polygamma(1,x)
torch.mvlgamma(1+x,2) torch.special.multigammaln(1+x,2) torch.special.polygamma(2,x)
torch.complex(x,y) torch.polar(x,y) torch.cross(x[:,:3],y[:,:3],dim=1) torch.inner(x,y)
torch.outer(v,v) torch.ger(v,v) torch.dot(v,v) torch.vdot(v,v) torch.kron(x,y) torch.cdist(x,y)
torch.renorm(x,2,0,0.5) torch.rot90(x) torch.bmm(b,b) torch.matmul(x,v) torch.mm(x,m)
torch.mv(x,v) torch.addmm(x,x,m) torch.addmv(v,m,v) torch.addr(m,v,v) torch.addbmm(m,b,b)
torch.baddbmm(b,b,b) torch.chain_matmul(m,m,m) torch.tensordot(x,y,2)
torch.einsum("ij,kj->ik",x,y) torch.bilinear(x,y,w3,None) torch.cosine_similarity(x,y)
torch.pairwise_distance(x,y) torch.nn.functional.linear(x,m,v) torch.trapezoid(x)
torch.cumulative_trapezoid(x) torch.gradient(x)[0] torch.block_diag(x,y) torch.cartesian_prod(v,v)
torch.combinations(v) torch.cdist(x,y,p=1.0) torch.logit(x,eps=1e-6)
torch.nn.functional.threshold(x,0.5,0.1) torch.nn.functional.prelu(x,v) torch.nn.functional.glu(x)
torch.nn.functional.softmin(x,dim=1) torch.nn.functional.normalize(x)
torch.nn.functional.bilinear(x,y,w3) torch.nn.functional.gumbel_softmax(x)
"""
"""Of two tensors or more."""

OF_SHAPE = """
x.T x.mT x.H m.mH x.t() x.view(12) x.view(2,6) x.view_as(y) x.reshape(4,3) x.reshape(-1)
x.flatten() x.ravel() x.unflatten(1,(2,2)) x.squeeze() x.unsqueeze(0).squeeze(0) x.unsqueeze(1)
x.expand(2,3,4) x.expand_as(b[0,:3]) x.repeat(2,1) x.repeat_interleave(2,0) x.tile(2,2)
x.permute(1,0) x.transpose(0,1) x.swapaxes(0,1) x.movedim(0,1) x.moveaxis(0,1) x.flip(0)
x.fliplr() x.flipud() x.roll(1) x.rot90() x.narrow(1,0,2) x.select(0,1) x[0] x[:,1] x[1:,::2]
x[...,0] x[None] x[x>0.5] x[[0,2]] x[i] x[:,i] x[i,i] x.diagonal() x.diag() torch.diag_embed(v)
torch.diagflat(v) x.tril() x.triu() x.unfold(1,2,1) x.chunk(2) x.split(1) x.split([1,2])
x.tensor_split(2) x.unbind() x.hsplit(2) x.vsplit(3) b.dsplit(2) torch.cat([x,y])
torch.stack([x,y]) torch.hstack([x,y]) torch.vstack([x,y]) torch.dstack([x,y])
torch.column_stack([x,y]) torch.row_stack([x,y]) torch.concat([x,y],1)
torch.broadcast_to(x,(2,3,4)) torch.broadcast_tensors(x,v) torch.meshgrid(v,v,indexing="ij")
torch.atleast_2d(v) torch.atleast_3d(x) x.gather(1,j) x.index_select(0,i) x.take(i)
x.masked_select(x>0.4) x.take_along_dim(j,1) x.scatter(1,j,0.5) x.scatter(1,j,y[:,:2])
x.scatter_add(1,j,y[:,:2]) x.index_add(0,i,y) x.scatter_reduce(1,j,y[:,:2],"sum")
x.scatter_reduce(1,j,y[:,:2],"amax") x.index_reduce(0,i,y,"mean") x.index_copy(0,i,y)
x.index_fill(0,i,0.5) x.index_put((i,),y) x.masked_fill(x>0.5,0.0) x.masked_scatter(x>0.5,y)
x.select_scatter(v,0,1) x.slice_scatter(y[:1],0,0,1) x.diagonal_scatter(v[:3])
x.as_strided((2,2),(1,2)) torch.narrow_copy(x,1,0,2) torch.constant_pad_nd(x,(1,1))
torch.view_as_real(z) torch.view_as_complex(p) x.contiguous().mul(2) x.to(torch.float64)
x.double() x.half() x.bfloat16() x.float().mul(2) x.type(torch.float64) x.type_as(y.double())
x.cfloat() x.chalf() x.clone() x.view(3,2,2).sum(0) torch.swapdims(x,0,1) torch.adjoint(m)
torch.pixel_shuffle(q,2) torch.pixel_unshuffle(q,2) torch.channel_shuffle(q,2)
torch.unsafe_chunk(x,2) torch.unsafe_split(x,1) torch.squeeze_copy(x[None]) torch.t_copy(x)
torch.permute_copy(x,(1,0)) torch.select_copy(x,0,1) torch.unbind_copy(x)
"""
"""They move elements, or choose some."""

REDUCTIONS = """
x.sum() x.sum(0) x.sum((0,1)) x.sum(1,keepdim=True) x.mean() x.mean(1) x.prod() x.prod(0) x.std()
x.std(1) x.var() x.var(0) torch.std_mean(x) torch.var_mean(x,dim=1) x.norm() x.norm(1)
x.norm(dim=1) x.max() x.min() x.max(1) x.min(1) x.amax(1) x.amin(0) torch.aminmax(x,dim=1)
x.median() x.median(1) x.nanmedian() x.mode(1) x.kthvalue(2,1) x.topk(2) x.sort()
x.sort(descending=True) torch.msort(x) x.quantile(0.3) x.nanquantile(0.3) x.cumsum(0) x.cumprod(1)
x.cummax(1) x.cummin(0) x.logcumsumexp(1) x.logsumexp(1) torch.special.logsumexp(x,1) x.nansum()
x.nanmean() x.trace() x.softmax(1) x.log_softmax(1) torch.special.softmax(x,1)
torch.special.log_softmax(x,1) x.diff() torch.trapz(x) torch.cov(x) torch.corrcoef(x)
torch.histogram(x.detach(),4)[0].mul(v) torch.count_nonzero(x).mul(v)
torch.segment_reduce(v,"sum",lengths=torch.tensor([1,3])) x.all().mul(v) x.argmax(1).sum().mul(v)
torch.nn.functional.softmax(x,-1) torch.nn.functional.log_softmax(x,0)
torch.frobenius_norm(x,(0,1)) torch.nuclear_norm(m) torch.logdet(s) torch.det(m) torch.slogdet(m)
torch.inverse(m) torch.pinverse(x) torch.cholesky_inverse(torch.linalg.cholesky(s))
torch.cholesky_solve(x.T,torch.linalg.cholesky(s)) torch.triangular_solve(x.T,m.triu()+2*e)
torch.matrix_exp(m) torch.matrix_power(m,3) torch.lu_unpack(*torch.linalg.lu_factor(m))
torch.svd(x) torch.qr(m) torch.cholesky(s) torch.lu_solve(x.T,*torch.linalg.lu_factor(m))
torch.geqrf(m)[1].detach().mul(v) torch.orgqr(m.tril(-1),v)
"""
"""They make fewer of many; with the older functions for matrices."""

ALGEBRA = """
linalg.cholesky(s) linalg.cond(m) linalg.cross(x[:,:3],y[:,:3]) linalg.det(m) linalg.diagonal(m)
linalg.eig(m)[0] linalg.eigh(s)[0] linalg.eigvals(m) linalg.eigvalsh(s) linalg.inv(m)
linalg.inv_ex(m)[0] linalg.lstsq(m,x.T,driver="gels")[0] linalg.lu(m) linalg.lu_factor(m)[0]
linalg.matmul(x,m) linalg.matrix_exp(m) linalg.matrix_norm(m) linalg.matrix_norm(m,"nuc")
linalg.matrix_power(m,2) linalg.multi_dot([x,m,m]) linalg.norm(x) linalg.norm(x,ord=1,dim=1)
linalg.pinv(x) linalg.qr(m)
linalg.slogdet(m) linalg.solve(m,v) linalg.solve_triangular(m.triu()+2*e,x.T,upper=True)
linalg.svd(x,full_matrices=False)[1] linalg.svdvals(x) linalg.tensorinv(w4)
linalg.tensorsolve(w4,m2) linalg.vander(v) linalg.vecdot(x,y) linalg.vector_norm(x)
linalg.vector_norm(x,3) linalg.householder_product(m.tril(-1),v) fft.fft(x) fft.ifft(x)
fft.rfft(x) fft.irfft(zz) fft.hfft(zz) fft.ihfft(x) fft.fft2(x) fft.ifft2(x) fft.rfft2(x)
fft.irfft2(zz) fft.fftn(x) fft.ifftn(x) fft.rfftn(x) fft.irfftn(zz) fft.fftshift(x)
fft.ifftshift(x) stft(v.repeat(8),8,window=torch.ones(8),return_complex=True) fft.hfft2(zz)
fft.ihfft2(x)
"""
"""Of torch: linear algebra and Fourier transforms."""

NETWORKS = """
conv1d(b,w1) conv2d(q,k2,padding=1) conv2d(q,k2,vb,stride=2) conv3d(q[None],k3)
conv_transpose1d(b,wt1) conv_transpose2d(q,k2) conv_transpose3d(q[None],k3.transpose(0,1))
unfold(q,2) fold(u,(3,3),2) avg_pool1d(b,2) avg_pool2d(q,2) avg_pool3d(q,2) max_pool1d(b,2)
max_pool2d(q,2) max_pool2d(q,2,return_indices=True)[0] max_pool3d(q,2) adaptive_avg_pool1d(b,2)
adaptive_avg_pool2d(q,2) adaptive_avg_pool3d(q,2) adaptive_max_pool1d(b,2)
adaptive_max_pool2d(q,2) lp_pool1d(b,2,2) lp_pool2d(q,2,2)
max_unpool1d(*max_pool1d(b,2,return_indices=True),2) fractional_max_pool2d(q,2,output_size=2)
pad(x,(1,1)) pad(q,(1,1,1,1),"reflect") pad(q,(1,1,1,1),"replicate") pad(q,(1,1,1,1),"circular")
interpolate(q,scale_factor=2) interpolate(q,scale_factor=2,mode="bilinear")
interpolate(q,size=6,mode="bicubic") grid_sample(q,grid(th)) affine_grid(th,[2,4,3,3])
pixel_shuffle(q,2) pixel_unshuffle(q,2) channel_shuffle(q,2) dropout(x,0.5) alpha_dropout(x,0.5)
dropout1d(b,0.5) dropout2d(q,0.5) dropout3d(q,0.5) feature_alpha_dropout(q,0.5) layer_norm(x,(4,))
layer_norm(x,(4,),v,v) rms_norm(x,(4,)) group_norm(q,2) batch_norm(x,rm,rv,training=True)
batch_norm(x,rm,rv) batch_norm(x,None,None,v,v,training=True) instance_norm(q)
local_response_norm(q,2) normalize(x) embedding(i,x) embedding(i,x,sparse=True)
embedding(i,x,padding_idx=0) embedding_bag(i[None],x)
embedding_bag(i[None],x,mode="sum",sparse=True) one_hot(i,4)*x scaled_dot_product_attention(b,b,b)
scaled_dot_product_attention(b,b,b,is_causal=True)
scaled_dot_product_attention(b,b,b,dropout_p=0.3)
multi_head_attention_forward(b,b,b,4,2,w12,None,None,None,False,0.0,m,None)[0] linear(x,m)
linear(x,m,v) l1_loss(x,y) l1_loss(x,y,weight=x.detach()) mse_loss(x,y)
mse_loss(x,y,weight=x.detach()) smooth_l1_loss(x,y) huber_loss(x,y)
huber_loss(x,y,weight=y.detach()) cross_entropy(x,c) cross_entropy(x,c,weight=v.detach())
cross_entropy(x,c,label_smoothing=0.1) cross_entropy(x,y.softmax(1)) nll_loss(x.log_softmax(1),c)
binary_cross_entropy(x,y.detach()) binary_cross_entropy_with_logits(x,y) kl_div(x.log(),y)
kl_div(x.log(),y,reduction="batchmean") poisson_nll_loss(x,y) gaussian_nll_loss(x,y,x)
hinge_embedding_loss(x,sg) cosine_embedding_loss(x,y,sg[:,0]) margin_ranking_loss(x,y,sg)
soft_margin_loss(x,sg) multi_margin_loss(x,c) multilabel_margin_loss(x,ml)
multilabel_soft_margin_loss(x,y.round()) triplet_margin_loss(x,y,x*y)
triplet_margin_with_distance_loss(x,y,x*y) ctc_loss(lp.log_softmax(2),ct,(5,5),(2,2)) pdist(x)
pairwise_distance(x,y) cosine_similarity(x,y) softmax(x,1) log_softmax(x,1)
gumbel_softmax(x,hard=True)
"""
"""Of torch.nn.functional."""

IN_PLACE = """
x.add_(1) x.add_(y) x.sub_(y) x.mul_(y) x.div_(y) x.pow_(2) x.neg_() x.abs_() x.exp_() x.log_()
x.sqrt_() x.rsqrt_() x.sin_() x.cos_() x.tan_() x.tanh_() x.sigmoid_() x.relu_() x.square_()
x.reciprocal_() x.clamp_(0.3,0.6) x.clamp_min_(0.4) x.floor_() x.round_() x.trunc_() x.frac_()
x.erf_() x.erfc_() x.expm1_() x.log1p_() x.zero_().add_(y) x.fill_(2.0).mul_(y) x.copy_(y)
x.lerp_(y,0.3) x.addcmul_(y,y) x.addcdiv_(y,y) x.addmm_(x.clone(),m) x.masked_fill_(y>0.5,0.0)
x.index_fill_(0,i,0.5) x.index_add_(0,i,y) x.index_copy_(0,i,y) x.scatter_(1,j,0.5)
x.scatter_add_(1,j,y[:,:2]) x.index_put_((i,),y) x.masked_scatter_(y>0.5,y) x.t_()
x.transpose_(0,1) x.squeeze_() x.unsqueeze_(0) x.tril_() x.triu_() x.cumsum_(0) x.cumprod_(1)
x.fill_diagonal_(0.5) x[0].mul_(2) x[:,1].add_(y[:,0]) x.view(12).mul_(2) x.T.mul_(2)
x.diagonal().add_(1) x.chunk(2)[0].mul(2) torch.relu_(x) torch.nn.functional.relu(x,inplace=True)
torch.nn.functional.elu_(x) torch.nn.functional.leaky_relu_(x)
torch.nn.functional.dropout(x,0.5,inplace=True) torch.nn.functional.hardtanh_(x)
torch.nn.functional.silu(x,inplace=True) torch.sigmoid_(x) torch.exp_(x)
torch.nn.functional.threshold_(x,0.5,0.1) torch.sin(x,out=None) x.atan2_(y) x.hypot_(y)
x.xlogy_(y)
"""
"""In place, on a clone of x."""


def calls() -> list[str]:
    """Every call, as Python that can be evaluated in the names of ``tensors``."""
    return [
        *(f"torch.{name}" if "(" in name else f"torch.{name}(x)" for name in ELEMENTWISE.split()),
        *OF_TWO.split(),
        *OF_SHAPE.split(),
        *REDUCTIONS.split(),
        *(f"torch.{call}".replace("(*linalg", "(*torch.linalg") for call in ALGEBRA.split()),
        *(f"F.{call}".replace("(*max_pool", "(*F.max_pool") for call in NETWORKS.split()),
        *(re.sub(r"\bx\b", "h", call, count=1) for call in IN_PLACE.split()),
    ]


def tensors() -> dict[str, Tensor]:
    """The same leaves every time. ``x``, ``y`` and ``v`` lie between 0.2 and 0.8.

    ``m`` is a well-conditioned matrix, ``s`` a symmetric positive definite one, ``b`` a batch of
    matrices, ``q`` one of images; ``z`` and ``zz`` are complex; ``i`` and ``j`` are indices.
    """
    torch.manual_seed(1)

    def between(*shape: int) -> Tensor:
        return torch.rand(*shape) * 0.6 + 0.2

    m = torch.rand(4, 4) * 0.5 + torch.eye(4)
    leaves = {
        "x": between(3, 4), "y": between(3, 4), "v": between(4), "m": m,
        "s": m @ m.T + torch.diag(torch.arange(1.0, 5.0)), "b": between(3, 4, 4),
        "q": torch.randn(2, 4, 4, 4), "z": torch.randn(3, 4, dtype=torch.complex64),
        "zz": torch.randn(3, 3, dtype=torch.complex64), "p": between(3, 2),
        "w1": torch.randn(2, 4, 3), "wt1": torch.randn(4, 2, 3), "k2": torch.randn(4, 4, 3, 3),
        "k3": torch.randn(3, 2, 2, 2, 2), "vb": torch.randn(4), "u": torch.randn(1, 4, 4),
        "w3": torch.randn(2, 4, 4), "w4": torch.randn(2, 2, 4), "m2": torch.randn(2, 2),
        "w12": torch.randn(12, 4), "th": torch.randn(2, 2, 3), "lp": torch.randn(5, 2, 6),
    }  # fmt: skip
    others = {
        "i": torch.tensor([0, 2, 1]), "j": torch.tensor([[0, 1], [3, 2], [1, 0]]),
        "c": torch.tensor([0, 3, 1]), "ct": torch.tensor([[1, 2], [3, 5]]), "e": torch.eye(4),
        "sg": torch.tensor([1.0, -1, 1, -1]).repeat(3, 1), "rm": torch.zeros(4),
        "rv": torch.ones(4), "ml": torch.tensor([[0, 2, -1, 0]] * 3),
    }  # fmt: skip
    return {**{name: leaf.requires_grad_() for name, leaf in leaves.items()}, **others}


def evaluated(call: str, names: dict[str, Tensor]) -> list[Tensor]:
    """The floating tensors that ``call`` returns; of one in place also the tensor it changed."""
    scope = {"torch": torch, "F": F, "grid": lambda th: F.affine_grid(th, [2, 4, 3, 3]), **names}
    if re.search(r"\bh\b", call):
        scope["h"] = names["x"].clone()
    result = eval(call, scope)
    found = [result] if isinstance(result, Tensor) else list(result)
    found += [scope["h"]] if "h" in scope else []
    return [t for t in found if t.is_floating_point() or t.is_complex()]
