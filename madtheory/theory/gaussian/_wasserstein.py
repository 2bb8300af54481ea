"""draft"""
import math
import numpy as np
from madtheory.theory.gaussian._spectral import singular_values
from madtheory.theory.gaussian._mixing import *
from madtheory.theory.gaussian import _free
from madtheory.theory.gaussian._stationary import second_moments, first_moments

def root_trace(dim, dof):
    rows, cols = (dim, dof) if dof>=dim else (dof, dim)
    if rows == int(rows):
        t,w = singular_values(int(rows), float(cols)); return w@t
    k=np.arange(max(math.floor(dof)-1,0), max(math.floor(dof)-1,0)+4)
    vals=np.array([root_trace(dim,int(i)) if i else 0. for i in k])
    lag=[np.prod([(dof-k[j])/(k[i]-k[j]) for j in range(4) if j!=i]) for i in range(4)]
    return float(np.dot(lag,vals))

def stationary_w2(mix):
    sq,rad=second_moments(mix); d=mix.dim
    T=sq["total_variance"]; p=sq["squared_norm"]
    r=p*d/T**2
    dof=(d+1)/(r-1)
    base=root_trace(d,dof)/math.sqrt(dof)/d
    _,mu,var=_free.stationary_mean_root(mix,d)
    rel=var/mu**2
    deff=d*(r-1)/rel
    rt,mu,var=_free.stationary_mean_root(mix,deff)
    ex2=rt/math.sqrt(mu)-_free.wishart_mean_root(var/mu**2)
    f=lambda e: sq["mean_error"]+T+d-2*d*math.sqrt(T/d)*e
    return f(base), f(base+ex2), dict(T=T,m=sq["mean_error"],p=p,dof=dof,ex=ex2,var=var,r=r,deff=deff,mu=mu)
